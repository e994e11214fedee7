//! What a `Sampler` is given to look at: sources by name, or sources.

use std::sync::Arc;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::PyMapping;

use super::args::{Fileno, type_name};
use super::hint;
use super::objects::object_of_kind;
use super::socket::Socket;
use crate::error::Result;
use crate::scope::{MOST_SOURCES, Source};

object_of_kind!(/// Sources by name, or sources.
    SourcesArg, hint::SOURCES);

/// A source as it was given.
pub(super) struct Given {
    pub(super) name: Arc<str>,
    pub(super) source: Source,
}

impl SourcesArg<'_> {
    /// Each source with its name; there are some, not too many, and each is there once.
    pub(super) fn named(&self) -> PyResult<Vec<Given>> {
        let given = match self.0.cast::<PyMapping>() {
            Ok(mapping) => of_mapping(mapping)?,
            Err(_) => of_iterable(&self.0)?,
        };
        match given.len() {
            0 => return Err(PyValueError::new_err("Sampler needs a source")),
            1..=MOST_SOURCES => {}
            _ => {
                return Err(PyValueError::new_err(format!(
                    "Sampler takes at most {MOST_SOURCES} sources; several samplers take more"
                )));
            }
        }
        must_differ(&given)?;
        Ok(given)
    }
}

fn of_mapping(mapping: &Bound<'_, PyMapping>) -> PyResult<Vec<Given>> {
    let named = |item: Bound<'_, PyAny>| {
        let (name, source) = item.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
        let Ok(name) = name.extract::<String>() else {
            let kind = type_name(&name);
            let text = format!("the name of a source must be a str, not {kind}");
            return Err(PyTypeError::new_err(text));
        };
        Ok(Given {
            name: name.into(),
            source: source_of(&source)?,
        })
    };
    mapping.items()?.iter().map(named).collect()
}

/// Reads one more than there may be, since it may have no end.
fn of_iterable(object: &Bound<'_, PyAny>) -> PyResult<Vec<Given>> {
    let Ok(sources) = object.try_iter() else {
        let text = format!(
            "sources must be a mapping of names to sources or an iterable of sources, not {}",
            type_name(object)
        );
        return Err(PyTypeError::new_err(text));
    };
    let unnamed = |source: PyResult<Bound<'_, PyAny>>| {
        let source = source_of(&source?)?;
        Ok(Given {
            name: format!("fd {}", source.fileno()).into(),
            source,
        })
    };
    sources.take(MOST_SOURCES + 1).map(unnamed).collect()
}

fn source_of(object: &Bound<'_, PyAny>) -> PyResult<Source> {
    let source: Result<Source> = match object.cast::<Socket>() {
        Ok(socket) => Source::socket(Arc::clone(socket.get().inner())),
        Err(_) => Source::number(object.extract::<Fileno>()?.0),
    };
    Ok(source?)
}

/// Each number once: two names for it would be two records of each change.
fn must_differ(given: &[Given]) -> PyResult<()> {
    let mut sorted: Vec<_> = given.iter().collect();
    sorted.sort_by_key(|each| each.source.fileno());
    for pair in sorted.windows(2) {
        let [one, other] = [0, 1].map(|at| pair[at].source.fileno());
        if one == other {
            let text = format!(
                "fd {one} is given twice, as {:?} and as {:?}",
                pair[0].name, pair[1].name
            );
            return Err(PyValueError::new_err(text));
        }
    }
    Ok(())
}
