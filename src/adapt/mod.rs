//! The decision: what to change in a message so that a device can show it, and doing it.
//!
//! [`plan`] is pure and encodes nothing; [`adapt`] carries a plan out and reports on it. The
//! steps, in the order in which they happen:
//!
//! 1. Gates: the sender, the device or a protection forbids changes, or the message fits.
//! 2. Each part by itself: type, box, charset, protection ([`Fate`]).
//! 3. The message as a whole: octets are shared between media, parts give way ([`budget`]).
//! 4. Pictures, sounds and clips are coded in parallel, within their budgets.
//! 5. Names, references and the presentation follow; a notice says what is missing.
//! 6. The encoded result is weighed again.

mod ability;
mod assemble;
pub mod budget;
mod clip_choice;
mod execute;
pub mod form;
mod image_choice;
mod inspect;
pub mod notice;
mod plan;
mod policy;
mod presentation;
mod rename;
pub mod report;
mod weight;

pub use execute::{Adapted, Engine, adapt, adapt_sharing, report_of_plan};
pub use form::{Form, Formed};
pub use inspect::Role;
pub use plan::{ClipJob, Context, Fate, ImageJob, PartPlan, Plan, plan};
pub use policy::Policy;
pub use report::Report;
pub use weight::weight;
