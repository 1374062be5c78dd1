//! What MMS SMIL leaves out of SMIL.

use std::collections::BTreeSet;

use super::Smil;

impl Smil {
    /// Brings the presentation into the form MMS players know: a sequence of `par`, each with media
    /// only.
    ///
    /// Transitions and animations go, a `switch` becomes its first choice, sequences, links and
    /// nested `par` give way to what is inside them, and a lone medium gets a `par` of its own.
    /// Other elements and attributes that are not known stay.
    pub fn conform(&mut self) {
        for node in self.elements_below(self.root()) {
            self.retain_attributes(node, |name| {
                !["transIn", "transOut"]
                    .iter()
                    .any(|t| t.eq_ignore_ascii_case(name))
            });
            let Some(name) = self.name(node).map(str::to_ascii_lowercase) else {
                continue;
            };
            let elements = |smil: &Self| -> Vec<usize> {
                let children = smil.children(node).iter().copied();
                children
                    .filter(|child| smil.name(*child).is_some())
                    .collect()
            };
            match name.as_str() {
                "animate" | "animatecolor" | "animatemotion" | "area" | "anchor" | "prefetch"
                | "set" | "transition" | "transitionfilter" => self.detach(node),
                "switch" => {
                    let first = elements(self).into_iter().take(1).collect();
                    self.replace(node, first);
                }
                "a" | "excl" | "priorityclass" | "seq" => self.replace(node, elements(self)),
                "par" if self.is_inside_par(node) => self.replace(node, elements(self)),
                _ => {}
            }
        }
        let lone: Vec<usize> = self
            .slide_nodes()
            .into_iter()
            .filter(|node| !self.is(*node, "par"))
            .collect();
        let parents: BTreeSet<usize> = lone.iter().filter_map(|node| self.parent(*node)).collect();
        let lone: BTreeSet<usize> = lone.into_iter().collect();
        for parent in parents {
            self.wrap(parent, &lone);
        }
    }

    fn is_inside_par(&self, node: usize) -> bool {
        let mut at = node;
        while let Some(parent) = self.parent(at) {
            if self.is(parent, "par") {
                return true;
            }
            at = parent;
        }
        false
    }

    /// Puts a `par` around each child that is one of `media`, as long as the medium.
    fn wrap(&mut self, parent: usize, media: &BTreeSet<usize>) {
        let mut children = self.children(parent).to_vec();
        for child in children.iter_mut().filter(|child| media.contains(child)) {
            let medium = *child;
            let par = self.append_element(parent, "par");
            if let Some(dur) = self.attribute(medium, "dur").map(str::to_owned) {
                self.set_attribute(par, "dur", &dur);
                self.retain_attributes(medium, |name| name != "dur");
            }
            self.adopt(par, vec![medium]);
            *child = par;
        }
        self.adopt(parent, children);
    }
}
