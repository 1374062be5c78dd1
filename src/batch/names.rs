//! Where results go, so that no two inputs of a job meet in one file.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use super::input::Input;
use super::template::{Fields, Template};

/// The names of a job's results.
///
/// Inputs whose names differ in the extension alone, such as `a.jpg` and `a.png`, would meet; they
/// go by their whole names, and where those meet too, by their numbers as well.
pub(super) struct Names<'a> {
    out: &'a Path,
    usual: &'a Template,
    inputs: &'a [Input],
    stems: HashMap<u64, u32>,
    names: HashMap<u64, u32>,
}

impl<'a> Names<'a> {
    pub(super) fn new(out: &'a Path, usual: &'a Template, inputs: &'a [Input]) -> Self {
        let mut names = Self {
            out,
            usual,
            inputs,
            stems: HashMap::new(),
            names: HashMap::new(),
        };
        for (index, input) in inputs.iter().enumerate() {
            if input.fault.is_none() {
                let key = names.key(index, &stem(input));
                let count = names.stems.entry(key).or_insert(0);
                *count = count.saturating_add(1);
            }
        }
        for (index, input) in inputs.iter().enumerate() {
            if input.fault.is_none() {
                let key = names.key(index, &names.first_choice(index, input));
                let count = names.names.entry(key).or_insert(0);
                *count = count.saturating_add(1);
            }
        }
        names
    }

    /// Where the result of an input for a device goes.
    pub(super) fn path(&self, index: usize, device: &str, ext: &str) -> PathBuf {
        let Some(input) = self.inputs.get(index) else {
            return self.out.to_owned();
        };
        let mut called = self.first_choice(index, input);
        if self.names.get(&self.key(index, &called)) > Some(&1) {
            called = format!("{called}.{}", index.saturating_add(1));
        }
        self.out.join(self.render(index, &called, device, ext))
    }

    /// Whether this is where the result goes, whatever its extension.
    pub(super) fn lead_to(&self, index: usize, device: &str, path: &Path) -> bool {
        let ext = path.extension().unwrap_or_default().to_string_lossy();
        self.path(index, device, &ext) == path
    }

    fn first_choice(&self, index: usize, input: &Input) -> String {
        let stem = stem(input);
        if self.stems.get(&self.key(index, &stem)) > Some(&1) {
            name(input)
        } else {
            stem
        }
    }

    fn key(&self, index: usize, called: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.render(index, called, "", "").hash(&mut hasher);
        hasher.finish()
    }

    fn render(&self, index: usize, called: &str, device: &str, ext: &str) -> PathBuf {
        let Some(input) = self.inputs.get(index) else {
            return PathBuf::new();
        };
        let own = input.output.as_deref().and_then(|text| text.parse().ok());
        own.as_ref().unwrap_or(self.usual).render(&Fields {
            dir: &input.dir,
            stem: called,
            name: &name(input),
            device,
            ext,
            number: index.saturating_add(1),
        })
    }
}

fn name(input: &Input) -> String {
    let name = input.path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn stem(input: &Input) -> String {
    let stem = input.path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(paths: &[&str]) -> Vec<Input> {
        let input = |path: &&str| {
            let dir = Path::new(path).parent().unwrap();
            Input::new(path.into(), dir)
        };
        paths.iter().map(input).collect()
    }

    #[test]
    fn inputs_that_would_meet_keep_apart() {
        let inputs = inputs(&["a/x.jpg", "b/x.jpg", "a/x.png", "a/x.jpg.gif", "c/y"]);
        let usual = Template::default();
        let names = Names::new(Path::new("out"), &usual, &inputs);
        let paths: Vec<String> = (0..inputs.len())
            .map(|index| names.path(index, "phone", "jpg").display().to_string())
            .collect();
        assert_eq!(
            paths,
            [
                "out/a/x.jpg.1.phone.jpg",
                "out/b/x.phone.jpg",
                "out/a/x.png.phone.jpg",
                "out/a/x.jpg.4.phone.jpg",
                "out/c/y.phone.jpg"
            ]
        );
        assert!(names.lead_to(1, "phone", Path::new("out/b/x.phone.gif")));
        assert!(!names.lead_to(1, "tablet", Path::new("out/b/x.phone.gif")));
    }

    #[test]
    fn an_input_may_have_a_name_of_its_own() {
        let mut inputs = inputs(&["a.jpg", "b.jpg"]);
        inputs[1].output = Some("flat/{n}.{ext}".into());
        let usual = Template::default();
        let names = Names::new(Path::new("out"), &usual, &inputs);
        assert_eq!(names.path(0, "d", "jpg"), Path::new("out/a.d.jpg"));
        assert_eq!(names.path(1, "d", "jpg"), Path::new("out/flat/2.jpg"));
    }
}
