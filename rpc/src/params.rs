//! What a caller sent, and where: every error names the field, by name and by position.

use std::{borrow::Cow, fmt, num::NonZeroU64};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    schema::{Describe, of},
    version::Version,
};

/// The longest stretch of a caller's text that an error repeats, in characters.
const ECHO_CHARS_MAX: usize = 80;

/// A parameter of a method.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Param {
    /// As the specification names it.
    pub(crate) name: &'static str,
    /// Whether it must be there.
    pub(crate) presence: Presence,
    /// The first version that has it.
    pub(crate) since: Version,
    /// What its value looks like.
    pub(crate) describe: Describe,
}

/// Whether a parameter must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Without it, the request is invalid.
    Required,
    /// May be missing or null.
    Optional,
}

/// A parameter that must be there.
pub(crate) const fn required<T: JsonSchema>(name: &'static str) -> Param {
    Param { name, presence: Presence::Required, since: Version::V0_9, describe: of::<T> }
}

/// A parameter that may be missing or null.
pub(crate) const fn optional<T: JsonSchema>(name: &'static str) -> Param {
    Param { name, presence: Presence::Optional, since: Version::V0_9, describe: of::<T> }
}

impl Param {
    /// The same, for callers who speak this version or a newer one.
    pub(crate) const fn since(self, since: Version) -> Self {
        Self { since, ..self }
    }
}

/// What is wrong with which parameter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub(crate) struct InvalidParams {
    /// Where, for example `request[0].resource_bounds.l1_gas`.
    pub(crate) field: String,
    /// What is wrong, for example `missing`.
    pub(crate) reason: String,
}

/// A value that can be read from a request.
pub(crate) trait FromInput: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// [`InvalidParams`] with the place of what is wrong.
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams>;
}

/// Where a value is in a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Path<'a> {
    /// The parameters themselves.
    Root,
    /// A field of an object.
    Field(&'a Self, &'a str),
    /// An item of a list.
    Item(&'a Self, usize),
}

/// A value of a request and where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'a> {
    path: Path<'a>,
    raw: &'a RawValue,
    version: Version,
}

/// An object of a request. Each field is taken once; [`Fields::finish`] refuses what is left.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    path: Path<'a>,
    version: Version,
    entries: Vec<(Cow<'a, str>, &'a RawValue)>,
    taken: Vec<&'static str>,
}

/// The parameters of a request, matched to those of the method.
#[derive(Debug)]
pub(crate) struct Params<'a> {
    values: Values<'a>,
    version: Version,
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("params"),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

impl Path<'_> {
    fn error(&self, reason: impl Into<String>) -> InvalidParams {
        InvalidParams { field: self.to_string(), reason: reason.into() }
    }
}

impl<'a> Input<'a> {
    /// A value at the top of a request.
    pub(crate) const fn new(path: Path<'a>, raw: &'a RawValue, version: Version) -> Self {
        Self { path, raw, version }
    }

    /// The version of the specification that the caller speaks.
    pub(crate) const fn version(&self) -> Version {
        self.version
    }

    /// As it was sent.
    pub(crate) const fn raw(&self) -> &'a RawValue {
        self.raw
    }

    /// Says what is wrong with this value.
    pub(crate) fn error(&self, reason: impl Into<String>) -> InvalidParams {
        self.path.error(reason)
    }

    /// Says what was expected in place of this value.
    pub(crate) fn expected(&self, what: &str) -> InvalidParams {
        self.error(format!("expected {what}, got {}", echo(self.raw.get())))
    }

    /// Whether it is a JSON string.
    pub(crate) fn is_text(&self) -> bool {
        self.raw.get().starts_with('"')
    }

    /// Whether it is a JSON array.
    pub(crate) fn is_list(&self) -> bool {
        self.raw.get().starts_with('[')
    }

    /// A JSON string, unescaped.
    pub(crate) fn text(&self) -> Result<Cow<'a, str>, InvalidParams> {
        let quoted = self.raw.get();
        match quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            None => Err(self.expected("text")),
            Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
            Some(_) => serde_json::from_str(quoted)
                .map(Cow::Owned)
                .map_err(|error| self.error(error.to_string())),
        }
    }

    /// A JSON array, item by item.
    pub(crate) fn list<T: FromInput>(&self) -> Result<Vec<T>, InvalidParams> {
        if !self.is_list() {
            return Err(self.expected("a list"));
        }
        let items: Vec<&RawValue> =
            serde_json::from_str(self.raw.get()).map_err(|error| self.error(error.to_string()))?;
        items
            .into_iter()
            .enumerate()
            .map(|(index, raw)| {
                T::from_input(&Input::new(Path::Item(&self.path, index), raw, self.version))
            })
            .collect()
    }

    /// A JSON object.
    pub(crate) fn fields(&self) -> Result<Fields<'a>, InvalidParams> {
        if !self.raw.get().starts_with('{') {
            return Err(self.expected("an object"));
        }
        let Entries(entries) =
            serde_json::from_str(self.raw.get()).map_err(|error| self.error(error.to_string()))?;
        Ok(Fields { path: self.path, version: self.version, entries, taken: Vec::new() })
    }
}

impl<'a> Fields<'a> {
    /// A field that must be there.
    pub(crate) fn required<T: FromInput>(
        &mut self,
        name: &'static str,
    ) -> Result<T, InvalidParams> {
        self.take(name)
            .map(|raw| T::from_input(&Input::new(Path::Field(&self.path, name), raw, self.version)))
            .unwrap_or_else(|| Err(Path::Field(&self.path, name).error("missing")))
    }

    /// A field that may be missing or null.
    pub(crate) fn optional<T: FromInput>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, InvalidParams> {
        self.take(name)
            .filter(|raw| raw.get() != "null")
            .map(|raw| T::from_input(&Input::new(Path::Field(&self.path, name), raw, self.version)))
            .transpose()
    }

    /// A field that may be missing or null, and that older callers do not know.
    pub(crate) fn optional_since<T: FromInput>(
        &mut self,
        since: Version,
        name: &'static str,
    ) -> Result<Option<T>, InvalidParams> {
        if self.version < since { Ok(None) } else { self.optional(name) }
    }

    /// A field that some clients send and that has no meaning.
    pub(crate) fn ignore(&mut self, name: &'static str) {
        self.take(name);
    }

    /// Refuses fields that nobody took.
    pub(crate) fn finish(self) -> Result<(), InvalidParams> {
        let Some((name, _)) = self.entries.first() else {
            return Ok(());
        };
        let reason = if self.taken.iter().any(|taken| taken == name) {
            "given twice".to_owned()
        } else {
            format!("unknown field, expected {}", self.taken.join(", "))
        };
        Err(Path::Field(&self.path, &echo(name)).error(reason))
    }

    /// Says what is wrong with the object as a whole.
    pub(crate) fn error(&self, reason: impl Into<String>) -> InvalidParams {
        self.path.error(reason)
    }

    fn take(&mut self, name: &'static str) -> Option<&'a RawValue> {
        self.taken.push(name);
        let index = self.entries.iter().position(|(entry, _)| entry == name)?;
        Some(self.entries.remove(index).1)
    }
}

impl<'a> Params<'a> {
    /// Matches what was sent, by name or by position, to the parameters of a method.
    ///
    /// # Errors
    /// [`InvalidParams`] for too many, unknown, repeated and missing parameters.
    pub(crate) fn bind(
        spec: &'static [Param],
        raw: Option<&'a RawValue>,
        version: Version,
    ) -> Result<Self, InvalidParams> {
        let spec: Vec<_> = spec.iter().filter(|param| param.since <= version).collect();
        let values = match raw.filter(|raw| raw.get() != "null") {
            None => spec.iter().map(|param| (param.name, None)).collect(),
            Some(raw) => {
                let input = Input::new(Path::Root, raw, version);
                match raw.get().as_bytes().first() {
                    Some(b'[') => by_position(&spec, &input)?,
                    Some(b'{') => by_name(&spec, &input)?,
                    _ => return Err(input.expected("a list or an object")),
                }
            }
        };
        for (param, (name, value)) in spec.iter().zip(&values) {
            if param.presence == Presence::Required && value.is_none() {
                return Err(Path::Field(&Path::Root, name).error("missing"));
            }
        }
        Ok(Self { values, version })
    }

    /// A parameter that the method table calls required.
    pub(crate) fn required<T: FromInput>(&self, name: &'static str) -> Result<T, InvalidParams> {
        self.read(name, |input| T::from_input(&input))
            .unwrap_or_else(|| Err(Path::Field(&Path::Root, name).error("missing")))
    }

    /// A parameter that may be missing or null.
    pub(crate) fn optional<T: FromInput>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, InvalidParams> {
        self.read(name, |input| {
            (input.raw.get() != "null").then(|| T::from_input(&input)).transpose()
        })
        .unwrap_or(Ok(None))
    }

    /// Hands a parameter to `read`; `None` if it was not sent.
    pub(crate) fn read<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(Input<'_>) -> T,
    ) -> Option<T> {
        let raw = self.values.iter().find(|(given, _)| *given == name)?.1?;
        Some(read(Input::new(Path::Field(&Path::Root, name), raw, self.version)))
    }
}

/// A caller's text, cut to a length that fits into an error.
fn echo(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(ECHO_CHARS_MAX) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

type Values<'a> = Vec<(&'static str, Option<&'a RawValue>)>;

fn by_position<'a>(spec: &[&Param], input: &Input<'a>) -> Result<Values<'a>, InvalidParams> {
    let items: Vec<&RawValue> =
        serde_json::from_str(input.raw.get()).map_err(|error| input.error(error.to_string()))?;
    if spec.len() < items.len() {
        let reason = format!("expected at most {} items, got {}", spec.len(), items.len());
        return Err(input.error(reason));
    }
    let mut items = items.into_iter();
    Ok(spec.iter().map(|param| (param.name, items.next())).collect())
}

fn by_name<'a>(spec: &[&Param], input: &Input<'a>) -> Result<Values<'a>, InvalidParams> {
    let mut fields = input.fields()?;
    let values = spec.iter().map(|param| (param.name, fields.take(param.name))).collect();
    if spec.is_empty() && !fields.entries.is_empty() {
        let (name, _) = &fields.entries[0];
        let reason = "unknown field, the method has no parameters";
        return Err(Path::Field(&Path::Root, &echo(name)).error(reason));
    }
    fields.finish()?;
    Ok(values)
}

/// The entries of a JSON object, in order and unread, duplicates included.
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    entries.push((name, value));
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// The name of an entry; borrowed unless it has escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<T: FromInput> FromInput for Vec<T> {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        input.list()
    }
}

impl FromInput for String {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        input.text().map(Cow::into_owned)
    }
}

impl FromInput for bool {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        match input.raw.get() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(input.expected("true or false")),
        }
    }
}

impl FromInput for u64 {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        input.raw.get().parse().map_err(|_| input.expected("a whole number below 2^64"))
    }
}

impl FromInput for NonZeroU64 {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        let number = u64::from_input(input)?;
        Self::new(number).ok_or_else(|| input.expected("at least 1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &[Param] =
        &[required::<String>("block"), required::<String>("count"), optional::<String>("flags")];

    fn raw(text: &str) -> Box<RawValue> {
        serde_json::from_str(text).expect("valid JSON")
    }

    fn bind(text: &str) -> Result<(String, u64, Option<Vec<bool>>), String> {
        let raw = raw(text);
        let params =
            Params::bind(SPEC, Some(&raw), Version::NEWEST).map_err(|error| error.to_string())?;
        let read = || {
            Ok::<_, InvalidParams>((
                params.required("block")?,
                params.required("count")?,
                params.optional("flags")?,
            ))
        };
        read().map_err(|error| error.to_string())
    }

    #[test]
    fn names_and_positions_mean_the_same() {
        let expected = Ok(("a".to_owned(), 7, Some(vec![true, false])));
        assert_eq!(bind(r#"{"count": 7, "flags": [true, false], "block": "a"}"#), expected);
        assert_eq!(bind(r#"["a", 7, [true, false]]"#), expected);
        assert_eq!(bind(r#"["\u0061", 7, null]"#), Ok(("a".to_owned(), 7, None)));
        assert_eq!(bind(r#"["a", 7]"#), Ok(("a".to_owned(), 7, None)));
    }

    #[test]
    fn errors_name_the_field_by_name_and_by_position() {
        let cases = [
            (r#"{"block": "a"}"#, "count: missing"),
            (r#"["a"]"#, "count: missing"),
            (r#"["a", "7"]"#, r#"count: expected a whole number below 2^64, got "7""#),
            (r#"{"block": 1, "count": 7}"#, "block: expected text, got 1"),
            (r#"["a", -1]"#, "count: expected a whole number below 2^64, got -1"),
            (r#"["a", 7, [true, 1]]"#, "flags[1]: expected true or false, got 1"),
            (r#"["a", 7, null, 4]"#, "params: expected at most 3 items, got 4"),
            (
                r#"{"block": "a", "count": 7, "flag": []}"#,
                "flag: unknown field, expected block, count, flags",
            ),
            (r#"{"block": "a", "count": 7, "count": 7}"#, "count: given twice"),
            (r#""a""#, r#"params: expected a list or an object, got "a""#),
        ];
        for (text, message) in cases {
            assert_eq!(bind(text), Err(message.to_owned()), "{text}");
        }
    }

    #[test]
    fn an_older_caller_does_not_know_what_is_newer() {
        const SPEC: &[Param] =
            &[required::<String>("a"), optional::<String>("b").since(Version::V0_10)];
        let bind = |text: &str, version| {
            let raw = raw(text);
            Params::bind(SPEC, Some(&raw), version)
                .map(|params| params.values.len())
                .map_err(|error| error.to_string())
        };
        for text in [r#"{"a": 1, "b": 2}"#, "[1, 2]"] {
            assert_eq!(bind(text, Version::V0_10), Ok(2));
        }
        assert_eq!(bind(r#"{"a": 1}"#, Version::V0_9), Ok(1));
        for (text, message) in [
            (r#"{"a": 1, "b": 2}"#, "b: unknown field, expected a"),
            ("[1, 2]", "params: expected at most 1 items, got 2"),
        ] {
            assert_eq!(bind(text, Version::V0_9), Err(message.to_owned()));
        }
    }

    #[test]
    fn no_parameters_are_null_empty_or_absent() {
        for text in ["null", "[]", "{}"] {
            assert!(Params::bind(&[], Some(&raw(text)), Version::NEWEST).is_ok(), "{text}");
        }
        assert!(Params::bind(&[], None, Version::NEWEST).is_ok());
        let error = Params::bind(&[], Some(&raw(r#"{"a": 1}"#)), Version::NEWEST).map(|_| ());
        let message = "a: unknown field, the method has no parameters".to_owned();
        assert_eq!(error.map_err(|error| error.to_string()), Err(message));
    }

    #[test]
    fn a_long_value_is_cut_in_the_error() {
        let text = format!("[\"a\", \"{}\"]", "ü".repeat(10_000));
        let message = bind(&text).expect_err("not a number");
        assert!(message.chars().count() < 200, "{message}");
    }
}
