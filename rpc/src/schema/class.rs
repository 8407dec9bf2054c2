//! Classes, as libraries write them.

#![expect(dead_code, reason = "shapes")]

use schemars::JsonSchema;
use serde_json::Value;

use super::{Felt, Number};
use crate::dto::class::DeprecatedClass;

/// A class, of Sierra or of Cairo 0.
#[derive(JsonSchema)]
#[schemars(inline, untagged)]
pub(crate) enum Class {
    Sierra(SierraClass),
    Deprecated(DeprecatedClass<'static>),
}

/// A class of Sierra.
#[derive(JsonSchema)]
#[schemars(rename = "CONTRACT_CLASS")]
pub(crate) struct SierraClass {
    sierra_program: Vec<Felt>,
    contract_class_version: String,
    entry_points_by_type: SierraEntryPoints,
    /// JSON, as its author wrote it; may be empty.
    abi: String,
}

/// The entry points of a class of Sierra.
#[derive(JsonSchema)]
#[schemars(rename = "SIERRA_ENTRY_POINTS", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) struct SierraEntryPoints {
    constructor: Vec<SierraEntryPoint>,
    external: Vec<SierraEntryPoint>,
    l1_handler: Vec<SierraEntryPoint>,
}

/// The function of a class that a selector calls.
#[derive(JsonSchema)]
#[schemars(rename = "SIERRA_ENTRY_POINT")]
struct SierraEntryPoint {
    function_idx: u64,
    selector: Felt,
}

/// Where in the program of a class of Cairo 0 a selector leads.
#[derive(JsonSchema)]
#[schemars(rename = "DEPRECATED_CAIRO_ENTRY_POINT")]
pub(crate) struct DeprecatedEntryPoint {
    offset: Number,
    selector: Felt,
}

/// A part of the interface of a class of Cairo 0.
#[derive(JsonSchema)]
#[schemars(rename = "CONTRACT_ABI_ENTRY", untagged)]
pub(crate) enum AbiEntry {
    Function(FunctionAbiEntry),
    Event(EventAbiEntry),
    Struct(StructAbiEntry),
}

/// A function that can be called from outside.
#[derive(JsonSchema)]
#[schemars(rename = "FUNCTION_ABI_ENTRY", rename_all = "camelCase")]
pub(crate) struct FunctionAbiEntry {
    #[schemars(extend("enum" = ["constructor", "function", "l1_handler"]))]
    r#type: String,
    name: String,
    inputs: Vec<TypedParameter>,
    outputs: Vec<TypedParameter>,
    #[schemars(with = "String", skip_serializing_if = "Option::is_none", extend("enum" = ["view"]))]
    state_mutability: Option<String>,
}

/// An event that can be emitted.
#[derive(JsonSchema)]
#[schemars(rename = "EVENT_ABI_ENTRY")]
pub(crate) struct EventAbiEntry {
    #[schemars(extend("const" = "event"))]
    r#type: String,
    name: String,
    keys: Vec<TypedParameter>,
    data: Vec<TypedParameter>,
}

/// A type of the interface.
#[derive(JsonSchema)]
#[schemars(rename = "STRUCT_ABI_ENTRY")]
pub(crate) struct StructAbiEntry {
    #[schemars(extend("const" = "struct"))]
    r#type: String,
    name: String,
    /// In field elements.
    size: u64,
    members: Vec<StructMember>,
}

/// A name and its type.
#[derive(JsonSchema)]
#[schemars(rename = "TYPED_PARAMETER")]
struct TypedParameter {
    name: String,
    r#type: String,
}

/// A field of a type.
#[derive(JsonSchema)]
#[schemars(rename = "STRUCT_MEMBER")]
struct StructMember {
    name: String,
    r#type: String,
    /// In field elements.
    offset: u64,
}

/// Machine code, as the compiler made it.
#[derive(JsonSchema)]
#[schemars(rename = "CASM_COMPILED_CONTRACT_CLASS")]
pub(crate) struct CompiledClass {
    prime: Number,
    compiler_version: String,
    bytecode: Vec<Felt>,
    #[schemars(with = "SegmentLengths", skip_serializing_if = "Option::is_none")]
    bytecode_segment_lengths: Option<SegmentLengths>,
    /// By place in the bytecode.
    hints: Vec<(u64, Vec<Hint>)>,
    entry_points_by_type: CompiledEntryPoints,
}

/// The length of a segment, or of the segments in it.
#[derive(JsonSchema)]
#[schemars(rename = "SEGMENT_LENGTHS", untagged)]
enum SegmentLengths {
    Leaf(u64),
    Node(Vec<Self>),
}

/// The entry points of machine code.
#[derive(JsonSchema)]
#[schemars(rename = "CASM_ENTRY_POINTS", rename_all = "SCREAMING_SNAKE_CASE")]
struct CompiledEntryPoints {
    constructor: Vec<CompiledEntryPoint>,
    external: Vec<CompiledEntryPoint>,
    l1_handler: Vec<CompiledEntryPoint>,
}

/// Where in machine code a selector leads.
#[derive(JsonSchema)]
#[schemars(rename = "CASM_ENTRY_POINT")]
struct CompiledEntryPoint {
    selector: Felt,
    offset: u64,
    builtins: Vec<String>,
}

/// What the machine is told beside the bytecode: the name of a hint, alone or with its operands by
/// name.
#[derive(JsonSchema)]
#[schemars(rename = "HINT", untagged)]
enum Hint {
    Alone(String),
    With(HintWithOperands),
}

#[derive(JsonSchema)]
#[schemars(inline, transform = one_name)]
struct HintWithOperands(
    std::collections::BTreeMap<String, std::collections::BTreeMap<String, Operand>>,
);

/// A value that a hint works with: a cell, or how it is computed.
#[derive(JsonSchema)]
#[schemars(rename = "HINT_OPERAND", untagged)]
enum Operand {
    Cell(CellRef),
    Computed(Computed),
}

/// A value that is computed.
#[derive(JsonSchema)]
#[schemars(rename = "RES_OPERAND", deny_unknown_fields)]
enum Computed {
    Deref(CellRef),
    DoubleDeref(CellRef, i16),
    Immediate(Number),
    BinOp { op: Operation, a: CellRef, b: DerefOrImmediate },
}

/// A cell, or a number.
#[derive(JsonSchema)]
#[schemars(rename = "DEREF_OR_IMMEDIATE")]
enum DerefOrImmediate {
    Deref(CellRef),
    Immediate(Number),
}

#[derive(JsonSchema)]
#[schemars(inline)]
enum Operation {
    Add,
    Mul,
}

/// A cell beside a register.
#[derive(JsonSchema)]
#[schemars(rename = "CELL_REF", deny_unknown_fields)]
struct CellRef {
    register: Register,
    offset: i16,
}

#[derive(JsonSchema)]
#[schemars(inline, rename_all = "UPPERCASE")]
enum Register {
    Ap,
    Fp,
}

fn one_name(hint: &mut schemars::Schema) {
    for bound in ["minProperties", "maxProperties"] {
        hint.insert(bound.to_owned(), Value::from(1));
    }
}
