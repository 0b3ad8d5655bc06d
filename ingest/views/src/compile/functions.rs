//! The functions of FHIRPath that are known here.

/// A function, without those whose argument is a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    // Existence
    Empty,
    Exists,
    Not,
    All,
    AllTrue,
    AnyTrue,
    AllFalse,
    AnyFalse,
    SubsetOf,
    SupersetOf,
    Count,
    Distinct,
    IsDistinct,
    // Filtering and projection
    Where,
    Select,
    Repeat,
    Aggregate,
    // Subsetting and combining
    Single,
    First,
    Last,
    Tail,
    Skip,
    Take,
    Intersect,
    Exclude,
    Union,
    Combine,
    Coalesce,
    // Conversion
    Iif,
    ToBoolean,
    ToInteger,
    ToDecimal,
    ToText,
    ToDate,
    ToDateTime,
    ToTime,
    ToQuantity,
    ConvertsToBoolean,
    ConvertsToInteger,
    ConvertsToDecimal,
    ConvertsToText,
    ConvertsToDate,
    ConvertsToDateTime,
    ConvertsToTime,
    ConvertsToQuantity,
    // Strings
    IndexOf,
    LastIndexOf,
    Substring,
    StartsWith,
    EndsWith,
    Contains,
    Upper,
    Lower,
    Replace,
    Matches,
    MatchesFull,
    ReplaceMatches,
    Length,
    ToChars,
    Trim,
    Split,
    Join,
    // Math
    Abs,
    Ceiling,
    Exp,
    Floor,
    Ln,
    Log,
    Power,
    Round,
    Sqrt,
    Truncate,
    Sum,
    Min,
    Max,
    Avg,
    // Boundaries
    LowBoundary,
    HighBoundary,
    Precision,
    // Tree and utility
    Children,
    Descendants,
    Trace,
    // FHIR and SQL on FHIR
    Extension,
    HasValue,
    GetValue,
    ResourceKey,
}

/// A function with the least and the greatest number of its arguments.
type Entry = (&'static str, Function, usize, usize);

/// `coalesce` takes any number; more than this is a mistake.
const MANY: usize = 64;

const FUNCTIONS: &[Entry] = &[
    ("empty", Function::Empty, 0, 0),
    ("exists", Function::Exists, 0, 1),
    ("not", Function::Not, 0, 0),
    ("all", Function::All, 1, 1),
    ("allTrue", Function::AllTrue, 0, 0),
    ("anyTrue", Function::AnyTrue, 0, 0),
    ("allFalse", Function::AllFalse, 0, 0),
    ("anyFalse", Function::AnyFalse, 0, 0),
    ("subsetOf", Function::SubsetOf, 1, 1),
    ("supersetOf", Function::SupersetOf, 1, 1),
    ("count", Function::Count, 0, 0),
    ("distinct", Function::Distinct, 0, 0),
    ("isDistinct", Function::IsDistinct, 0, 0),
    ("where", Function::Where, 1, 1),
    ("select", Function::Select, 1, 1),
    ("repeat", Function::Repeat, 1, 1),
    ("aggregate", Function::Aggregate, 1, 2),
    ("single", Function::Single, 0, 0),
    ("first", Function::First, 0, 0),
    ("last", Function::Last, 0, 0),
    ("tail", Function::Tail, 0, 0),
    ("skip", Function::Skip, 1, 1),
    ("take", Function::Take, 1, 1),
    ("intersect", Function::Intersect, 1, 1),
    ("exclude", Function::Exclude, 1, 1),
    ("union", Function::Union, 1, 1),
    ("combine", Function::Combine, 1, 2),
    ("coalesce", Function::Coalesce, 1, MANY),
    ("iif", Function::Iif, 2, 3),
    ("toBoolean", Function::ToBoolean, 0, 0),
    ("toInteger", Function::ToInteger, 0, 0),
    ("toDecimal", Function::ToDecimal, 0, 0),
    ("toString", Function::ToText, 0, 0),
    ("toDate", Function::ToDate, 0, 0),
    ("toDateTime", Function::ToDateTime, 0, 0),
    ("toTime", Function::ToTime, 0, 0),
    ("toQuantity", Function::ToQuantity, 0, 1),
    ("convertsToBoolean", Function::ConvertsToBoolean, 0, 0),
    ("convertsToInteger", Function::ConvertsToInteger, 0, 0),
    ("convertsToDecimal", Function::ConvertsToDecimal, 0, 0),
    ("convertsToString", Function::ConvertsToText, 0, 0),
    ("convertsToDate", Function::ConvertsToDate, 0, 0),
    ("convertsToDateTime", Function::ConvertsToDateTime, 0, 0),
    ("convertsToTime", Function::ConvertsToTime, 0, 0),
    ("convertsToQuantity", Function::ConvertsToQuantity, 0, 1),
    ("indexOf", Function::IndexOf, 1, 1),
    ("lastIndexOf", Function::LastIndexOf, 1, 1),
    ("substring", Function::Substring, 1, 2),
    ("startsWith", Function::StartsWith, 1, 1),
    ("endsWith", Function::EndsWith, 1, 1),
    ("contains", Function::Contains, 1, 1),
    ("upper", Function::Upper, 0, 0),
    ("lower", Function::Lower, 0, 0),
    ("replace", Function::Replace, 2, 2),
    ("matches", Function::Matches, 1, 1),
    ("matchesFull", Function::MatchesFull, 1, 1),
    ("replaceMatches", Function::ReplaceMatches, 2, 2),
    ("length", Function::Length, 0, 0),
    ("toChars", Function::ToChars, 0, 0),
    ("trim", Function::Trim, 0, 0),
    ("split", Function::Split, 1, 1),
    ("join", Function::Join, 0, 1),
    ("abs", Function::Abs, 0, 0),
    ("ceiling", Function::Ceiling, 0, 0),
    ("exp", Function::Exp, 0, 0),
    ("floor", Function::Floor, 0, 0),
    ("ln", Function::Ln, 0, 0),
    ("log", Function::Log, 1, 1),
    ("power", Function::Power, 1, 1),
    ("round", Function::Round, 0, 1),
    ("sqrt", Function::Sqrt, 0, 0),
    ("truncate", Function::Truncate, 0, 0),
    ("sum", Function::Sum, 0, 0),
    ("min", Function::Min, 0, 0),
    ("max", Function::Max, 0, 0),
    ("avg", Function::Avg, 0, 0),
    ("lowBoundary", Function::LowBoundary, 0, 1),
    ("highBoundary", Function::HighBoundary, 0, 1),
    ("precision", Function::Precision, 0, 0),
    ("children", Function::Children, 0, 0),
    ("descendants", Function::Descendants, 0, 0),
    ("trace", Function::Trace, 1, 2),
    ("extension", Function::Extension, 1, 1),
    ("hasValue", Function::HasValue, 0, 0),
    ("getValue", Function::GetValue, 0, 0),
    ("getResourceKey", Function::ResourceKey, 0, 0),
];

/// Functions of FHIRPath and FHIR that are not known here, and what to do instead.
const UNSUPPORTED: &[(&str, &str)] = &[
    (
        "now",
        "the result must depend on the data alone: write the time as a constant",
    ),
    (
        "today",
        "the result must depend on the data alone: write the date as a constant",
    ),
    (
        "timeOfDay",
        "the result must depend on the data alone: write the time as a constant",
    ),
    (
        "resolve",
        "a view sees one resource: join two views on getReferenceKey()",
    ),
    (
        "memberOf",
        "there is no terminology server: compare with the codes themselves",
    ),
    (
        "subsumes",
        "there is no terminology server: compare with the codes themselves",
    ),
    (
        "subsumedBy",
        "there is no terminology server: compare with the codes themselves",
    ),
    (
        "conformsTo",
        "profiles are not known here: test meta.profile",
    ),
    ("type", "use is(), ofType() or as()"),
    ("defineVariable", "write the expression where it is used"),
    (
        "elementDefinition",
        "structure definitions are not known here",
    ),
    (
        "slice",
        "structure definitions are not known here: use where()",
    ),
    ("checkModifiers", "test modifierExtension with exists()"),
    ("htmlChecks", "it has no use in a view"),
    ("encode", "take the value as it is"),
    ("decode", "take the value as it is"),
    ("escape", "take the value as it is"),
    ("unescape", "take the value as it is"),
    ("repeatAll", "use repeat()"),
];

/// A function by its name, with the least and the greatest number of its arguments.
pub(super) fn find(name: &str) -> Option<(Function, usize, usize)> {
    let entry = FUNCTIONS.iter().find(|(known, ..)| *known == name);
    entry.map(|&(_, function, least, most)| (function, least, most))
}

/// What to say of a name that is no function here.
pub(super) fn unknown(name: &str) -> String {
    if let Some((_, instead)) = UNSUPPORTED.iter().find(|(known, _)| *known == name) {
        return format!("the function {name}() is not supported; {instead}");
    }
    let same = |known: &&Entry| known.0.eq_ignore_ascii_case(name);
    match FUNCTIONS.iter().find(same) {
        Some((known, ..)) => format!("there is no function {name}(); did you mean {known}()?"),
        None => format!("there is no function {name}()"),
    }
}
