//! Recordings of small modules: element types as Burn has them.

use std::collections::BTreeMap;

use burn::{
    module::{Module, Param},
    tensor::{DType, Device, Int, Tensor, TensorData},
};
use kiln_core::{AnyTensor, Value};
use kiln_ir::{
    ElemType, Model, Recorder, Session, Type, parse, print, record::TensorInput, tensor,
};

/// A product, and the rows of it that numbers choose.
#[derive(Module, Debug)]
struct Rows {
    weight: Param<Tensor<2>>,
    offset: Param<Tensor<1, Int>>,
}

impl Rows {
    fn new(dtype: DType, device: &Device) -> Self {
        let weight = TensorData::from([[1.0, 2.0], [-0.5, 4.0]]);
        Self {
            weight: Param::from_tensor(Tensor::from_data(weight, (device, dtype))),
            offset: Param::initialized(
                burn::module::ParamId::new(),
                Tensor::from_data(TensorData::from([1_i32]), (device, DType::I32)),
            ),
        }
    }

    fn forward(
        &self,
        x: Tensor<2>,
        kinds: Tensor<1, Int>,
        bytes: Tensor<1, Int>,
    ) -> [AnyTensor; 4] {
        let rows = x.matmul(self.weight.val());
        let all = rows.clone().sum_dim(0);
        let chosen = rows.select(0, kinds.clone());
        let numbers = kinds + self.offset.val();
        let wrapped = bytes + 200;
        [all.into(), chosen.into(), numbers.into(), wrapped.into()]
    }
}

fn recorded(module: &Rows, float: TensorInput<2, burn::tensor::Float>) -> Model {
    let inputs = (
        float,
        tensor!(i32["K"]).named("kinds"),
        tensor!(u8["B"]).named("bytes"),
    );
    Recorder::new(module)
        .overload("forward", inputs, |rows: &Rows, (x, kinds, bytes)| {
            let results = rows.forward(x, kinds, bytes);
            Value::Tuple(results.map(Value::Tensor).into())
        })
        .finish()
        .unwrap()
}

fn data(tensor: AnyTensor) -> TensorData {
    match (tensor.kind(), tensor.shape().num_dims()) {
        (kiln_core::Kind::Float, _) => tensor.float::<2>().into_data(),
        _ => tensor.int::<1>().into_data(),
    }
}

/// Types are as declared, the module's where nothing is declared, and results are those of the
/// module itself, also after text and file.
#[test]
fn recordings_have_the_types_of_their_modules() {
    let device = Device::flex();
    let all = [
        (DType::F32, ElemType::F32, tensor!(f32["N", 2])),
        (DType::F64, ElemType::F64, tensor!(f64["N", 2])),
        (DType::F16, ElemType::F16, tensor!(f16["N", 2])),
        (DType::BF16, ElemType::BF16, tensor!(bf16["N", 2])),
    ];
    for (dtype, elem, declared) in all {
        let module = Rows::new(dtype, &device);
        let model = recorded(&module, declared);
        assert_eq!(
            print(&model.program),
            print(&recorded(&module, TensorInput::new(["N".into(), 2.into()])).program)
        );
        let method = model.program.method("forward").unwrap();
        let elems = |ty: &Type| {
            let leaves = ty.leaves("");
            leaves.iter().map(|leaf| leaf.ty.elem).collect::<Vec<_>>()
        };
        let params = method.params.iter().flat_map(|param| elems(&param.ty));
        let (i32, u8) = (ElemType::I32, ElemType::U8);
        assert_eq!(params.collect::<Vec<_>>(), [elem, i32, u8]);
        assert_eq!(elems(&method.result), [elem, elem, i32, u8]);

        assert_eq!(parse(&print(&model.program)).unwrap(), *model.program);
        let model = Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
        let x = TensorData::from([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
        let x = Tensor::<2>::from_data(x, (&device, dtype));
        let int = |values: &[i64], dtype| {
            Tensor::<1, Int>::from_data(TensorData::from(values), (&device, dtype))
        };
        let (kinds, bytes) = (int(&[2, 0], DType::I32), int(&[50, 60], DType::U8));
        let expected = module.forward(x.clone(), kinds.clone(), bytes.clone());
        let inputs = BTreeMap::from([
            ("x".to_owned(), AnyTensor::from(x)),
            ("kinds".to_owned(), kinds.into()),
            ("bytes".to_owned(), bytes.into()),
        ]);
        let session = Session::new(&model, &device).unwrap();
        let got = session.run("forward", inputs).unwrap();
        for ((name, got), expected) in got.into_iter().zip(expected) {
            assert_eq!(data(got), data(expected), "{name} of {elem}");
        }
    }
}

/// Readers of before the types learn what they lack.
#[test]
fn files_say_that_they_have_further_integers() {
    let bytes = recorded(
        &Rows::new(DType::F32, &Device::flex()),
        tensor!(f32["N", 2]),
    )
    .to_bytes()
    .unwrap();
    for name in [b"\x08type.i32".as_slice(), b"\x07type.u8"] {
        assert!(bytes.windows(name.len()).any(|part| part == name));
    }
}
