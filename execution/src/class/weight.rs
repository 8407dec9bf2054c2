//! How much a Sierra program makes of itself: a function of the program alone.
//!
//! Most of the compiler's work is in proportion to the program, but a few lines can ask for more
//! than any machine has. A constant of a struct of two constants of structs of two constants, and so
//! on for sixty lines, is written out value by value; a value of thousands of cells is held once for
//! every copy; and whatever is held is copied at every branch. So this is counted before the
//! compiler sees the program, and what is far above any real program is refused: by the same rule
//! everywhere, and not by how fast or how large a machine is.

use std::collections::BTreeMap;

use cairo_lang_sierra::program::{
    BranchTarget, GenericArg, Invocation, LibfuncDeclaration, Program, Statement, TypeDeclaration,
};

use super::CompileError;

/// Values written out, cells held and cells copied, together. The heaviest class that comes with
/// this program has about a hundredth of it; the compiler needs some tens of nanoseconds and some
/// tens of bytes for each.
pub(super) const WEIGHT_MAX: u64 = 1 << 26;

/// Cells of a value of a type that is made of no others; the largest of them are rare.
const CELLS_OF_A_LEAF: u64 = 2;

/// Checks that a program is not heavier than any real one.
///
/// # Errors
/// [`CompileError::Failed`] if it is.
pub(super) fn check(program: &Program) -> Result<(), CompileError> {
    let weight = of(program);
    if weight <= WEIGHT_MAX {
        return Ok(());
    }
    let reason = format!(
        "the program expands to {weight} values, over the limit of {WEIGHT_MAX}; nested constants \
         or copies of large structs do that"
    );
    Err(CompileError::Failed { reason })
}

/// The weight of a program; the largest number for anything larger. Names that the program does not
/// declare weigh nothing: the compiler will refuse them.
pub(super) fn of(program: &Program) -> u64 {
    let mut scale = Scale::default();
    for declaration in &program.type_declarations {
        scale.add_type(declaration);
    }
    for function in &program.funcs {
        let cells = |types: &[cairo_lang_sierra::ids::ConcreteTypeId]| {
            sum(types.iter().map(|ty| scale.type_of(ty.id).cells))
        };
        let weight = cells(&function.signature.ret_types);
        let parameters = cells(&function.signature.param_types);
        scale.functions.insert(function.id.id, weight);
        let entry = scale.held_at.entry(function.entry_point.0).or_default();
        *entry = parameters.max(*entry);
    }
    for declaration in &program.libfunc_declarations {
        scale.add_libfunc(declaration);
    }
    for (index, statement) in program.statements.iter().enumerate() {
        scale.add_statement(index, statement);
    }
    scale.total
}

/// What a type makes of itself.
#[derive(Clone, Copy, Debug, Default)]
struct Type {
    /// Cells of a value of this type.
    cells: u64,
    /// Constants in this constant, itself included; 0 for all that is none.
    constants: u64,
}

/// Weighs a program piece by piece.
#[derive(Debug, Default)]
struct Scale {
    types: BTreeMap<u64, Type>,
    /// Cells that a call returns.
    functions: BTreeMap<u64, u64>,
    libfuncs: BTreeMap<u64, u64>,
    /// Cells of variables, by the last statement that made them.
    variables: BTreeMap<u64, u64>,
    /// Cells held where a branch or a function begins.
    held_at: BTreeMap<usize, u64>,
    /// Cells held before the next statement.
    held: u64,
    total: u64,
}

impl Scale {
    fn type_of(&self, id: u64) -> Type {
        self.types.get(&id).copied().unwrap_or_default()
    }

    fn add_type(&mut self, declaration: &TypeDeclaration) {
        let arguments = &declaration.long_id.generic_args;
        let parts = arguments.iter().filter_map(|argument| match argument {
            GenericArg::Type(id) => Some(self.type_of(id.id)),
            GenericArg::UserType(_)
            | GenericArg::Value(_)
            | GenericArg::UserFunc(_)
            | GenericArg::Libfunc(_) => None,
        });
        let cells = |parts: &mut dyn Iterator<Item = Type>| sum(parts.map(|part| part.cells));
        let mut parts = parts;
        let weighed = match declaration.long_id.generic_id.0.as_str() {
            "Struct" | "NonZero" | "Snapshot" | "Uninitialized" => {
                Type { cells: cells(&mut parts), constants: 0 }
            }
            "Enum" => {
                let largest = parts.map(|part| part.cells).max().unwrap_or_default();
                Type { cells: largest.saturating_add(1), constants: 0 }
            }
            "Const" => {
                // The first is the type of the value, which is written out with it.
                let inner = parts.next().unwrap_or_default();
                let constants = sum(parts.map(|part| part.constants)).saturating_add(1);
                Type { cells: inner.cells, constants }
            }
            _ => Type { cells: CELLS_OF_A_LEAF, constants: 0 },
        };
        self.types.insert(declaration.id.id, weighed);
    }

    fn add_libfunc(&mut self, declaration: &LibfuncDeclaration) {
        let of_argument = |argument: &GenericArg| match argument {
            GenericArg::Type(id) => {
                let Type { cells, constants } = self.type_of(id.id);
                cells.saturating_add(constants)
            }
            GenericArg::UserFunc(id) => self.functions.get(&id.id).copied().unwrap_or_default(),
            GenericArg::UserType(_) | GenericArg::Value(_) | GenericArg::Libfunc(_) => 0,
        };
        let weight = sum(declaration.long_id.generic_args.iter().map(of_argument));
        self.libfuncs.insert(declaration.id.id, weight.saturating_add(1));
    }

    fn add_statement(&mut self, index: usize, statement: &Statement) {
        if let Some(held) = self.held_at.remove(&index) {
            self.held = self.held.max(held);
        }
        match statement {
            Statement::Invocation(invocation) => self.add_invocation(index, invocation),
            // What comes next is reached from elsewhere only.
            Statement::Return(_) => self.held = 0,
        }
    }

    fn add_invocation(&mut self, index: usize, invocation: &Invocation) {
        let weight = self.libfuncs.get(&invocation.libfunc_id.id).copied().unwrap_or(1);
        let cells_of = |id: &u64| self.variables.get(id).copied().unwrap_or_default();
        let taken = sum(invocation.args.iter().map(|argument| cells_of(&argument.id)));
        self.held = self.held.saturating_sub(taken);
        let copies = u64::try_from(invocation.branches.len()).unwrap_or(u64::MAX);
        let made = weight.saturating_mul(copies.max(1));
        let copied = self.held.saturating_mul(copies.saturating_sub(1));
        self.total = self.total.saturating_add(made).saturating_add(copied);

        let before = self.held;
        let mut falls_through = false;
        for branch in &invocation.branches {
            // Which result is of which type is known to the compiler only: all count as the whole.
            let mut held = before;
            for result in &branch.results {
                self.variables.insert(result.id, weight);
                held = held.saturating_add(weight);
            }
            match branch.target {
                BranchTarget::Fallthrough => {
                    falls_through = true;
                    self.held = held;
                }
                BranchTarget::Statement(target) if index < target.0 => {
                    let there = self.held_at.entry(target.0).or_default();
                    *there = held.max(*there);
                }
                // A jump back finds what was there.
                BranchTarget::Statement(_) => {}
            }
        }
        if !falls_through {
            self.held = 0;
        }
    }
}

fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{class, genesis, testing};

    fn weight_of(class: &starknet_api::state::SierraContractClass) -> u64 {
        let program = class::to_cairo_lang(class).extract_sierra_program(false);
        of(&program.expect("it is Sierra").program)
    }

    #[test]
    fn real_classes_are_far_below_the_limit() {
        let hashes = [
            genesis::ACCOUNT_CLASS_HASH,
            genesis::STRK_CLASS_HASH,
            genesis::ETH_CLASS_HASH,
            genesis::UDC_CLASS_HASH,
        ];
        for hash in hashes {
            let weight = weight_of(&genesis::artefact_for_tests(hash));
            assert!((1_000..WEIGHT_MAX / 50).contains(&weight), "{weight} of {hash}");
        }
    }

    #[test]
    fn constants_within_constants_double_with_each_line() {
        let weights = [10, 11, 12].map(|levels| weight_of(&testing::nested_constants(levels)));
        assert!(weights.is_sorted_by(|less, more| less * 19 / 10 < *more), "{weights:?}");
        assert_eq!(weight_of(&testing::nested_constants(200)), u64::MAX);
    }

    #[test]
    fn what_is_held_counts_at_every_branch() {
        let [few, many] = [100, 200].map(|count| weight_of(&testing::branches_while_held(count)));
        // Twice as many branches while twice as much is held.
        assert!(3 * few < many, "{few}, {many}");
    }
}
