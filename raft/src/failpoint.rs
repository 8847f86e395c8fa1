//! The macro that marks fail points: nothing at all without the feature `chaos`.

/// Passes a fail point. Some value where the point is to have its own effect; without the
/// feature `chaos` always `None`, and the name is not in the binary.
#[cfg(feature = "chaos")]
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {
        $crate::chaos::strike($name)
    };
}

/// Passes a fail point. Some value where the point is to have its own effect; without the
/// feature `chaos` always `None`, and the name is not in the binary.
#[cfg(not(feature = "chaos"))]
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {
        <::core::option::Option<u64> as ::core::default::Default>::default()
    };
}

/// Whether a seeded bug is in force here; without the feature `chaos` never.
#[cfg(not(test))]
#[macro_export]
macro_rules! bug {
    ($name:literal) => {
        $crate::failpoint!($name).is_some()
    };
}

/// Whether a seeded bug is in force here: in this crate's tests also where a history has seeded it.
#[cfg(test)]
#[macro_export]
macro_rules! bug {
    ($name:literal) => {
        $crate::failpoint!($name).is_some() || $crate::simulation::in_force($name)
    };
}
