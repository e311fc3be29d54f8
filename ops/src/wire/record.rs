//! How operations are written down.

use core::fmt::Debug;

use burn::backend::{
    DType, Shape,
    ir::{CustomOpIr, ScalarIr, TensorId, TensorIr},
};

/// An operation with its attributes, which can be written down.
pub(crate) trait Record: Copy + Debug + Send + Sync + 'static {
    /// Name and scalars of the record.
    fn head(&self) -> (&'static str, Vec<ScalarIr>);

    /// Shapes and types of the results. `dtype` is the type where inputs do not give it.
    fn results(&self, inputs: &[TensorIr], dtype: Option<DType>) -> Vec<(Shape, DType)>;

    /// Writes the operation down.
    fn describe(
        &self,
        inputs: &[TensorIr],
        dtype: Option<DType>,
        mut new_id: impl FnMut() -> TensorId,
    ) -> CustomOpIr {
        let outputs: Vec<TensorIr> = (self.results(inputs, dtype).into_iter())
            .map(|(shape, dtype)| TensorIr::uninit(new_id(), shape, dtype))
            .collect();
        let (id, scalars) = self.head();
        CustomOpIr::with_scalars(id, inputs, &outputs, scalars)
    }
}

/// The shape of a tensor with another number of rows.
pub(crate) fn with_rows(tensor: &TensorIr, rows: usize) -> Shape {
    let mut shape = tensor.shape.clone();
    shape[0] = rows;
    shape
}
