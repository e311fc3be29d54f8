//! A writer of the pickles inside an archive: protocol 2, and only the opcodes that every PyTorch
//! reads.
//!
//! A module is an object whose state is a dictionary of its attributes:
//!
//! ```text
//! c __torch__.kiln\nLinear\n  )  NEWOBJ  }  (  X "weight" <tensor>  ...  u  b
//! ```
//!
//! A tensor is a call of `torch._utils._rebuild_tensor_v2` with a storage (by the number of its
//! entry), offset, sizes and strides in elements, and whether it is trained.

use kiln_ir::ElemType;

const PROTO: u8 = 0x80;
const GLOBAL: u8 = b'c';
const EMPTY_TUPLE: u8 = b')';
const NEWOBJ: u8 = 0x81;
const EMPTY_DICT: u8 = b'}';
const MARK: u8 = b'(';
const TUPLE: u8 = b't';
const SETITEMS: u8 = b'u';
const BUILD: u8 = b'b';
const REDUCE: u8 = b'R';
const BINUNICODE: u8 = b'X';
const NEWTRUE: u8 = 0x88;
const NEWFALSE: u8 = 0x89;
const BININT: u8 = b'J';
const BININT1: u8 = b'K';
const BININT2: u8 = b'M';
const LONG1: u8 = 0x8a;
const BINPERSID: u8 = b'Q';
const LONG_BINPUT: u8 = b'r';
const LONG_BINGET: u8 = b'j';
const STOP: u8 = b'.';

/// Where the elements of a tensor lie and what it looks like.
#[derive(Clone, Copy, Debug)]
pub(super) struct TensorRef<'a> {
    /// Number of the entry with its elements: `data/<number>` or `constants/<number>`.
    pub(super) storage: usize,
    /// Element type.
    pub(super) elem: ElemType,
    /// Sizes of the axes; the elements are in row-major order without gaps.
    pub(super) shape: &'a [u64],
    /// Whether gradients are wanted.
    pub(super) requires_grad: bool,
}

/// A pickle in the making.
#[derive(Debug)]
pub(super) struct Pickle {
    bytes: Vec<u8>,
}

impl Pickle {
    /// A pickle with nothing but its header.
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![PROTO, 2],
        }
    }

    /// Ends the pickle.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.push(STOP);
        self.bytes
    }

    /// Starts an object of the class `module.name`; attributes follow.
    pub(super) fn begin_object(&mut self, module: &str, name: &str) {
        self.global(module, name);
        self.bytes.extend([EMPTY_TUPLE, NEWOBJ, EMPTY_DICT, MARK]);
    }

    /// Ends the object started last.
    pub(super) fn end_object(&mut self) {
        self.bytes.extend([SETITEMS, BUILD]);
    }

    /// Starts a tuple.
    pub(super) fn begin_tuple(&mut self) {
        self.bytes.push(MARK);
    }

    /// Ends the tuple started last.
    pub(super) fn end_tuple(&mut self) {
        self.bytes.push(TUPLE);
    }

    /// A string; also the name of an attribute.
    pub(super) fn string(&mut self, text: &str) {
        self.bytes.push(BINUNICODE);
        self.bytes
            .extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }

    /// A boolean.
    pub(super) fn boolean(&mut self, value: bool) {
        self.bytes.push(if value { NEWTRUE } else { NEWFALSE });
    }

    /// An integer, in the shortest of the forms that PyTorch reads.
    pub(super) fn integer(&mut self, value: u64) {
        if let Ok(value) = u8::try_from(value) {
            self.bytes.extend([BININT1, value]);
        } else if let Ok(value) = u16::try_from(value) {
            self.bytes.push(BININT2);
            self.bytes.extend(value.to_le_bytes());
        } else if let Ok(value) = i32::try_from(value) {
            self.bytes.push(BININT);
            self.bytes.extend(value.to_le_bytes());
        } else {
            self.bytes.extend([LONG1, 8]);
            self.bytes.extend(value.to_le_bytes());
        }
    }

    /// A tensor.
    pub(super) fn tensor(&mut self, tensor: TensorRef<'_>) {
        let elements = tensor.shape.iter().product();
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.begin_tuple();
        self.begin_tuple();
        self.string("storage");
        self.global("torch", storage_class(tensor.elem));
        self.string(&tensor.storage.to_string());
        self.string("cpu");
        self.integer(elements);
        self.end_tuple();
        self.bytes.push(BINPERSID);
        self.integer(0);
        self.integers(tensor.shape);
        self.integers(&strides(tensor.shape));
        self.boolean(tensor.requires_grad);
        self.global("collections", "OrderedDict");
        self.bytes.extend([EMPTY_TUPLE, REDUCE]);
        self.end_tuple();
        self.bytes.push(REDUCE);
    }

    /// Names the value written last, so that [`recall`](Self::recall) can give it again.
    pub(super) fn remember(&mut self, slot: u32) {
        self.bytes.push(LONG_BINPUT);
        self.bytes.extend(slot.to_le_bytes());
    }

    /// The value of a slot: the same object, not a copy.
    pub(super) fn recall(&mut self, slot: u32) {
        self.bytes.push(LONG_BINGET);
        self.bytes.extend(slot.to_le_bytes());
    }

    fn integers(&mut self, values: &[u64]) {
        self.begin_tuple();
        for &value in values {
            self.integer(value);
        }
        self.end_tuple();
    }

    fn global(&mut self, module: &str, name: &str) {
        self.bytes.push(GLOBAL);
        for part in [module, name] {
            self.bytes.extend(part.as_bytes());
            self.bytes.push(b'\n');
        }
    }
}

/// Class of the storage that holds elements of the given type.
fn storage_class(elem: ElemType) -> &'static str {
    match elem {
        ElemType::F32 => "FloatStorage",
        ElemType::F64 => "DoubleStorage",
        ElemType::F16 => "HalfStorage",
        ElemType::BF16 => "BFloat16Storage",
        ElemType::I64 => "LongStorage",
        ElemType::I32 => "IntStorage",
        ElemType::U8 => "ByteStorage",
        ElemType::Bool => "BoolStorage",
    }
}

/// Strides of a row-major tensor, in elements.
fn strides(shape: &[u64]) -> Vec<u64> {
    let mut strides: Vec<u64> = shape
        .iter()
        .rev()
        .scan(1_u64, |stride, &size| {
            let this = *stride;
            *stride = stride.saturating_mul(size.max(1));
            Some(this)
        })
        .collect();
    strides.reverse();
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensor_has_the_bytes_that_pytorch_reads() {
        let mut pickle = Pickle::new();
        pickle.tensor(TensorRef {
            storage: 0,
            elem: ElemType::F32,
            shape: &[16, 8],
            requires_grad: true,
        });
        let mut expected =
            b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storage".to_vec();
        expected.extend(b"ctorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x80tQ");
        expected.extend(b"K\0(K\x10K\x08t(K\x08K\x01t\x88ccollections\nOrderedDict\n)RtR.");
        assert_eq!(pickle.finish(), expected);
    }

    #[test]
    fn scalar_tensor_has_empty_sizes_and_one_element() {
        let mut pickle = Pickle::new();
        pickle.tensor(TensorRef {
            storage: 12,
            elem: ElemType::I64,
            shape: &[],
            requires_grad: false,
        });
        let bytes = pickle.finish();
        let tail =
            b"X\x02\0\0\x0012X\x03\0\0\0cpuK\x01tQK\0(t(t\x89ccollections\nOrderedDict\n)RtR.";
        assert!(bytes.ends_with(tail), "{bytes:?}");
    }

    #[test]
    fn integers_take_the_shortest_form() {
        let bytes = |value| {
            let mut pickle = Pickle::new();
            pickle.integer(value);
            pickle.bytes.split_off(2)
        };
        assert_eq!(bytes(255), [BININT1, 255]);
        assert_eq!(bytes(256), [BININT2, 0, 1]);
        assert_eq!(bytes(65_536), [BININT, 0, 0, 1, 0]);
        assert_eq!(bytes(1 << 31), [LONG1, 8, 0, 0, 0, 0x80, 0, 0, 0, 0]);
    }

    #[test]
    fn objects_nest() {
        let mut pickle = Pickle::new();
        pickle.begin_object("__torch__.kiln", "Net");
        pickle.string("training");
        pickle.boolean(false);
        pickle.end_object();
        assert_eq!(
            pickle.finish(),
            b"\x80\x02c__torch__.kiln\nNet\n)\x81}(X\x08\0\0\0training\x89ub."
        );
    }

    #[test]
    fn strides_skip_empty_axes() {
        assert_eq!(strides(&[2, 3, 4]), [12, 4, 1]);
        assert_eq!(strides(&[2, 0, 4]), [4, 4, 1]);
        assert_eq!(strides(&[]), [0_u64; 0]);
    }
}
