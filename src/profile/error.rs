//! What can be wrong with the description of a device.

/// Why a device could not be described.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// No class and no device has this id.
    #[error("no device or class has the id {id:?}{hint}")]
    UnknownId {
        /// The id that was asked for.
        id: String,
        /// Ids that look like it, as the end of the sentence; may be empty.
        hint: String,
    },
    /// No operator has this id.
    #[error("no operator has the id {0:?}")]
    UnknownOperator(String),
    /// A key that is no field of a device.
    #[error("{0:?} is no field of a device")]
    UnknownField(String),
    /// A value is not of its field's form.
    #[error("{field} must be {form}")]
    FieldForm {
        /// The field.
        field: String,
        /// What its value looks like.
        form: &'static str,
    },
    /// A file is not TOML.
    #[error("not a class file: {message}")]
    Toml {
        /// What the TOML reader says, on one line.
        message: String,
        /// Octet at which it says so.
        offset: Option<usize>,
    },
    /// A file is not a JSON object.
    #[error("not a JSON object: {0}")]
    Json(String),
    /// Classes inherit from one another in a circle or too deeply.
    #[error("class {0:?} inherits from itself or through more than 8 classes")]
    Inheritance(String),
    /// The device database is damaged.
    #[error("the device database is damaged: {0}")]
    Database(String),
}
