// Loads TorchScript archives in C++ and compares what their methods give with what they should.
//
// usage: load CALLS
//
// CALLS is written by `check.py --calls FOLDER CALLS`: a pickled list of tuples
// (archive, method, arguments, result). The last line is `N passed, N failed`.

#include <torch/script.h>
#include <torch/torch.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

// A value as check.py writes it, with ("dict", ((key, value), ...)) as a dictionary of tensors or of
// lists, and ("list", (tensor, ...)) as a list; with a None in it, of tensors that may be absent.
static c10::IValue restore(const c10::IValue& value) {
  if (!value.isTuple()) return value;
  const auto& items = value.toTupleRef().elements();
  if (items.size() == 2 && items[0].isString() && items[0].toStringRef() == "dict") {
    const auto& entries = items[1].toTupleRef().elements();
    const bool has_lists = !entries.empty() && !entries[0].toTupleRef().elements()[1].isTensor();
    auto type = c10::TypePtr(c10::TensorType::get());
    if (has_lists) type = c10::ListType::ofTensors();
    c10::impl::GenericDict dict(c10::StringType::get(), type);
    for (const c10::IValue& item : entries) {
      const auto& entry = item.toTupleRef().elements();
      dict.insert(entry[0], restore(entry[1]));
    }
    return dict;
  }
  if (items.size() == 2 && items[0].isString() && items[0].toStringRef() == "list") {
    const auto& elements = items[1].toTupleRef().elements();
    bool has_none = false;
    for (const c10::IValue& item : elements) has_none |= item.isNone();
    auto type = c10::TypePtr(c10::TensorType::get());
    if (has_none) type = c10::OptionalType::create(type);
    c10::impl::GenericList list(type);
    for (const c10::IValue& item : elements) list.push_back(item);
    return list;
  }
  std::vector<c10::IValue> restored;
  for (const c10::IValue& item : items) restored.push_back(restore(item));
  return c10::ivalue::Tuple::create(restored);
}

static bool same(const c10::IValue& got, const c10::IValue& expected) {
  if (expected.isTuple()) {
    if (!got.isTuple()) return false;
    const auto& left = got.toTupleRef().elements();
    const auto& right = expected.toTupleRef().elements();
    if (left.size() != right.size()) return false;
    for (size_t i = 0; i < left.size(); ++i) {
      if (!same(left[i], right[i])) return false;
    }
    return true;
  }
  if (expected.isGenericDict()) {
    if (!got.isGenericDict() || got.toGenericDict().size() != expected.toGenericDict().size()) return false;
    for (const auto& entry : expected.toGenericDict()) {
      const auto found = got.toGenericDict().find(entry.key());
      if (found == got.toGenericDict().end() || !same(found->value(), entry.value())) return false;
    }
    return true;
  }
  if (expected.isList()) {
    if (!got.isList() || got.toList().size() != expected.toList().size()) return false;
    for (size_t i = 0; i < got.toList().size(); ++i) {
      if (!same(got.toList().get(i), expected.toList().get(i))) return false;
    }
    return true;
  }
  if (expected.isTensor()) {
    if (!got.isTensor()) return false;
    const auto& left = got.toTensor();
    const auto& right = expected.toTensor();
    return left.sizes() == right.sizes() && left.scalar_type() == right.scalar_type() &&
           torch::allclose(left, right, 1e-5, 1e-6, true);
  }
  return got.isNone() && expected.isNone();
}

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: " << argv[0] << " CALLS\n";
    return 2;
  }
  std::ifstream file(argv[1], std::ios::binary);
  std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  int passed = 0, failed = 0;
  std::string path;
  torch::jit::Module module;
  const c10::IValue calls = torch::pickle_load(bytes);
  for (const c10::IValue& item : calls.toListRef()) {
    const auto& call = item.toTupleRef().elements();
    const std::string method = call[1].toStringRef();
    try {
      if (call[0].toStringRef() != path) {
        path = call[0].toStringRef();
        module = torch::jit::load(path);
        module.eval();
      }
      std::vector<c10::IValue> arguments;
      for (const c10::IValue& item : call[2].toTupleRef().elements()) arguments.push_back(restore(item));
      if (same(module.get_method(method)(arguments), restore(call[3]))) {
        ++passed;
        continue;
      }
      std::cout << "FAILED " << path << ": " << method << ": results differ\n";
    } catch (const std::exception& error) {
      // As in check.py: before 2.4 some operators do not run on processors with floats of 16 bits.
      const bool is_short = TORCH_VERSION_MAJOR < 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR < 4);
      const std::string what = error.what();
      if (is_short && (what.find("not implemented for 'Half'") != std::string::npos ||
                       what.find("not implemented for 'BFloat16'") != std::string::npos)) {
        std::cout << "skipped " << path << ": " << method << ": this libtorch lacks an operator for 16 bits\n";
        continue;
      }
      std::cout << "FAILED " << path << ": " << method << ": " << error.what() << "\n";
    }
    ++failed;
  }
  std::cout << "libtorch " << TORCH_VERSION << ": " << passed << " passed, " << failed << " failed\n";
  return failed == 0 && passed > 0 ? 0 : 1;
}
