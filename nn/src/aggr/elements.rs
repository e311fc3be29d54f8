//! What an aggregation combines, and what several aggregations of it share.

use core::cell::{Cell, OnceCell};

use burn::tensor::{Bool, Int, Tensor};
use kiln_core::Groups;
use kiln_ops::{
    Endpoints, Reduce, aggregate, aggregate_heads, aggregate_normalized, aggregate_self,
    aggregate_with_loops, column_mean, column_sum, degree, detach, dot_attention, edge_attention,
    edge_attention_v2, edge_attention_with, gather, scatter, segment_softmax, size_of,
};

use crate::{dense_batch::Places, message::Message};

/// The elements of sets: the messages that meet at nodes, or the rows of groups.
///
/// Sums, means, means of squares and variances are kept: several aggregations take each once.
#[derive(Debug)]
pub(crate) struct Elements<'a> {
    /// Of groups one row each, [`Message::Edge`].
    message: Message,
    sets: Sets<'a>,
    needs: Cell<Needs>,
    /// Whether a gradient flows through the means of squares, where several aggregations agree on
    /// that.
    semi_grad: Cell<Option<bool>>,
    reduced: [OnceCell<Tensor<2>>; Reduce::ALL.len()],
    squares: OnceCell<Tensor<2>>,
    variance: OnceCell<Tensor<2>>,
    count: OnceCell<Tensor<1>>,
}

/// Where elements meet.
#[derive(Clone, Copy, Debug)]
enum Sets<'a> {
    Targets(&'a Endpoints),
    Groups(&'a Groups),
}

/// Which of the reductions that share a walk are going to be asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needs {
    pub(crate) sum: bool,
    pub(crate) mean: bool,
    pub(crate) squares: bool,
}

impl Needs {
    /// What both need.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            sum: self.sum || other.sum,
            mean: self.mean || other.mean,
            squares: self.squares || other.squares,
        }
    }
}

impl<'a> Elements<'a> {
    /// The messages that meet at each target.
    pub(crate) fn of_messages(message: Message, ends: &'a Endpoints) -> Self {
        Self::new(message, Sets::Targets(ends))
    }

    /// The rows of each group.
    ///
    /// # Panics
    /// If there is not one row for each row of the groups.
    pub(crate) fn of_groups(x: Tensor<2>, groups: &'a Groups) -> Self {
        let ([rows, _], expected) = (x.dims(), groups.num_rows());
        assert!(
            rows == expected,
            "expected one row for each of the {expected} rows of the groups, got {rows}"
        );
        Self::new(Message::Edge(x), Sets::Groups(groups))
    }

    fn new(message: Message, sets: Sets<'a>) -> Self {
        Self {
            message,
            sets,
            needs: Cell::default(),
            semi_grad: Cell::default(),
            reduced: Default::default(),
            squares: OnceCell::new(),
            variance: OnceCell::new(),
            count: OnceCell::new(),
        }
    }

    /// Says what is going to be asked for together, so that one walk gives it.
    pub(crate) fn expect(&self, needs: Needs, semi_grad: Option<bool>) {
        self.needs.set(self.needs.get().and(needs));
        if self.semi_grad.get().is_none() {
            self.semi_grad.set(semi_grad);
        }
    }

    /// The elements after a function of each number.
    pub(crate) fn map(&self, f: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Self {
        let message = match (&self.message, self.sets) {
            (Message::Weighted { x, weight: None }, Sets::Targets(ends)) => {
                Message::source(f(ends.without_idle(x.clone())))
            }
            _ => Message::Edge(f(self.rows())),
        };
        Self::new(message, self.sets)
    }

    /// Number of sets.
    pub(crate) fn num_sets(&self) -> usize {
        match self.sets {
            Sets::Targets(ends) => ends.num_targets(),
            Sets::Groups(groups) => groups.num_groups(),
        }
    }

    /// The set of each element. `[E]`
    pub(crate) fn index(&self) -> Tensor<1, Int> {
        match self.sets {
            Sets::Targets(ends) => ends.target(),
            Sets::Groups(groups) => groups.owner(),
        }
    }

    /// Where the elements of each set begin and end.
    pub(crate) fn places(&self) -> Places {
        Places::of(self.index(), self.num_sets())
    }

    /// The elements of each set side by side, zeros behind the last up to the number of the largest
    /// set, at least one, and which of them are elements. `[n, longest, F]` and `[n, longest]`
    pub(crate) fn dense(&self) -> (Tensor<3>, Tensor<2, Bool>) {
        let places = self.places();
        let length = size_of(places.max_count().clamp_min(1));
        (places.dense(self.rows(), length), places.mask(length))
    }

    /// Number of elements of each set, of the type of `like`. `[n]`
    pub(crate) fn count(&self, like: &Tensor<2>) -> Tensor<1> {
        let count = self
            .count
            .get_or_init(|| degree(self.index(), self.num_sets()));
        count.clone().to_device(&like.device()).cast(like.dtype())
    }

    /// The elements as rows. `[E, F]`
    ///
    /// # Panics
    /// If they are summed as they are made, as [`Message`] says.
    pub(crate) fn rows(&self) -> Tensor<2> {
        match (&self.message, self.sets) {
            (Message::Edge(x), _) => x.clone(),
            (message, Sets::Targets(ends)) => rows(message.clone(), ends),
            (_, Sets::Groups(_)) => unreachable!("groups have rows"),
        }
    }

    /// Softmax of each column among the elements of a set. `[E, F]`
    pub(crate) fn softmax(&self, scores: Tensor<2>) -> Tensor<2> {
        match self.sets {
            Sets::Targets(ends) => ends.softmax(scores),
            Sets::Groups(groups) => segment_softmax(scores, groups.owner(), groups.num_groups()),
        }
    }

    /// `x: [n, F]`: for each element the row of its set. `[E, F]`
    pub(crate) fn lift(&self, x: Tensor<2>) -> Tensor<2> {
        match self.sets {
            Sets::Targets(ends) => ends.lift_i(x),
            Sets::Groups(groups) => gather(x, groups.owner()),
        }
    }

    /// The sum of the elements times a weight each. `weight: [E]` gives `[n, F]`
    pub(crate) fn weighted_sum(&self, weight: Tensor<1>) -> Tensor<2> {
        match (&self.message, self.sets) {
            (Message::Weighted { x, weight: None }, Sets::Targets(ends)) => {
                aggregate(x.clone(), Some(weight), ends, Reduce::Sum)
            }
            _ => self.collect(self.rows() * weight.unsqueeze_dim(1), Reduce::Sum),
        }
    }

    /// Reduces one row for each element. `[E, F]` gives `[n, F]`.
    pub(crate) fn collect(&self, rows: Tensor<2>, reduce: Reduce) -> Tensor<2> {
        match self.sets {
            Sets::Targets(ends) => ends.collect(rows, reduce),
            Sets::Groups(groups) => match reduce {
                Reduce::Sum if groups.is_one() => column_sum(rows),
                Reduce::Mean if groups.is_one() => column_mean(rows),
                // Groups can be long, and this loses no bits of long sums.
                reduce => scatter(rows, groups.owner(), groups.num_groups(), reduce),
            },
        }
    }

    /// Reduces the elements. `[n, F]`
    pub(crate) fn reduce(&self, reduce: Reduce) -> Tensor<2> {
        let cell = &self.reduced[reduce as usize];
        if cell.get().is_none() {
            let needs = self.needs.get();
            match reduce {
                Reduce::Mean if needs.squares => self.take_moments(),
                Reduce::Sum if needs.squares && needs.sum => self.take_moments(),
                Reduce::Mean if needs.sum => {
                    let mean = self.divided(self.reduce(Reduce::Sum));
                    self.keep(Reduce::Mean, mean);
                }
                _ => self.keep(reduce, self.walked(reduce)),
            }
        }
        cell.get().expect("kept above").clone()
    }

    /// Mean of the elements, and of their squares. `[n, F]`
    ///
    /// With `semi_grad` no gradient flows through the mean of squares.
    fn moments(&self, semi_grad: bool) -> [Tensor<2>; 2] {
        let needs = Needs {
            squares: true,
            ..Needs::default()
        };
        self.expect(needs, Some(semi_grad));
        let mean = self.reduce(Reduce::Mean);
        if self.squares.get().is_none() {
            self.take_moments();
        }
        [mean, self.squares.get().expect("kept above").clone()]
    }

    /// `mean(m²) - mean(m)²`, `[n, F]`; see [`moments`](Self::moments).
    pub(crate) fn variance(&self, semi_grad: bool) -> Tensor<2> {
        let variance = self.variance.get_or_init(|| {
            let [mean, squares] = self.moments(semi_grad);
            squares - mean.clone() * mean
        });
        variance.clone()
    }

    /// Takes mean and mean of squares, and the sum if it is needed, in one walk where rows of
    /// sources are copied.
    fn take_moments(&self) {
        let first = if self.needs.get().sum {
            Reduce::Sum
        } else {
            Reduce::Mean
        };
        let squared = |x: Tensor<2>| {
            let x = match self.semi_grad.get() {
                Some(true) => detach(x),
                _ => x,
            };
            x.clone() * x
        };
        let [once, squares] = match (&self.message, self.sets) {
            (Message::Weighted { x, weight: None }, Sets::Targets(ends)) => {
                let [_, width] = x.dims();
                let squares = squared(ends.without_idle(x.clone()));
                let both = Tensor::cat(vec![x.clone(), squares], 1);
                let both = aggregate(both, None, ends, first);
                [0, width].map(|start| both.clone().narrow(1, start, width))
            }
            (
                Message::Weighted {
                    x,
                    weight: Some(weight),
                },
                Sets::Targets(ends),
            ) => {
                let squares = squared(ends.without_idle(x.clone()));
                let weights = squared(weight.clone().unsqueeze_dim(1)).squeeze_dim(1);
                [
                    self.walked(first),
                    aggregate(squares, Some(weights), ends, first),
                ]
            }
            _ => [
                self.walked(first),
                self.collect(squared(self.rows()), first),
            ],
        };
        let [mean, squares] = if first == Reduce::Sum {
            self.keep(Reduce::Sum, once.clone());
            [once, squares].map(|sum| self.divided(sum))
        } else {
            [once, squares]
        };
        self.keep(Reduce::Mean, mean);
        // Another may have been there before, which is the same.
        let _ = self.squares.set(squares);
    }

    fn keep(&self, reduce: Reduce, value: Tensor<2>) {
        // Another may have been there before, which is the same.
        let _ = self.reduced[reduce as usize].set(value);
    }

    /// A sum by the number of elements, at least 1.
    fn divided(&self, sum: Tensor<2>) -> Tensor<2> {
        let count = self.count(&sum).clamp_min(1.0);
        sum / count.unsqueeze_dim(1)
    }

    fn walked(&self, reduce: Reduce) -> Tensor<2> {
        match (&self.message, self.sets) {
            (Message::Edge(x), _) => self.collect(x.clone(), reduce),
            (message, Sets::Targets(ends)) => reduced(message.clone(), ends, reduce),
            (_, Sets::Groups(_)) => unreachable!("groups have rows"),
        }
    }
}

/// The messages reduced, in one walk over the edges where there is one.
fn reduced(message: Message, ends: &Endpoints, reduce: Reduce) -> Tensor<2> {
    let by_heads = |out: Tensor<3>| {
        let [targets, heads, channels] = out.dims();
        out.reshape([targets, heads * channels])
    };
    if message.is_summed() {
        assert!(
            reduce == Reduce::Sum,
            "expected `sum`, since these messages are summed as they are made, got {reduce:?}"
        );
    }
    match message {
        Message::Weighted { x, weight } => aggregate(x, weight, ends, reduce),
        Message::Heads { x, weight } => by_heads(aggregate_heads(x, weight, ends, reduce)),
        Message::Edge(x) => ends.collect(x, reduce),
        Message::WithSelf { x, weight } => aggregate_self(x, weight, ends),
        Message::WithLoops {
            x,
            weight,
            self_loop,
        } => aggregate_with_loops(x, weight, self_loop, ends),
        Message::Normalized {
            x,
            scale,
            self_loop,
        } => aggregate_normalized(x, scale, ends, self_loop),
        Message::Attention {
            x,
            score_src,
            score_dst,
            score_edge,
            options,
        } => by_heads(match score_edge {
            Some(score_edge) => {
                edge_attention_with(x, score_src, score_dst, score_edge, ends, &options)
            }
            None => edge_attention(x, score_src, score_dst, ends, options),
        }),
        Message::JointAttention {
            x_j,
            x_i,
            att,
            options,
        } => by_heads(edge_attention_v2(x_j, x_i, att, ends, options)),
        Message::DotAttention {
            query,
            key,
            value,
            options,
        } => by_heads(dot_attention(query, key, value, ends, options)),
    }
}

/// The messages as rows, `[E, F]`.
fn rows(message: Message, ends: &Endpoints) -> Tensor<2> {
    match message {
        Message::Weighted { x, weight } => {
            let x = ends.lift_j(x);
            match weight {
                Some(weight) => x * weight.unsqueeze_dim(1),
                None => x,
            }
        }
        Message::Heads { x, weight } => {
            let x = ends.lift_j(x) * weight.unsqueeze_dim(2);
            let [edges, heads, channels] = x.dims();
            x.reshape([edges, heads * channels])
        }
        Message::Edge(x) => x,
        summed => panic!("expected messages that are not summed as they are made, got {summed:?}"),
    }
}
