#include "tokenizer-ops.h"

#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "failure.h"

#if defined(_WIN32)
#include <windows.h>

#include <filesystem>
#else
#include <dlfcn.h>
#endif

namespace npu_proxy {
namespace {

using CreateExtensions = void (*)(std::vector<ov::Extension::Ptr>&);

/** The library's entry point, as OPENVINO_CREATE_EXTENSIONS of openvino/core/extension.hpp defines it. */
CreateExtensions entry_point(const std::string& library) {
#if defined(_WIN32)
  const HMODULE loaded = LoadLibraryW(std::filesystem::u8path(library).wstring().c_str());
  void* found = loaded ? reinterpret_cast<void*>(GetProcAddress(loaded, "create_extensions")) : nullptr;
#else
  void* loaded = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* found = loaded ? dlsym(loaded, "create_extensions") : nullptr;
#endif
  if (!found) throw Failure(Code::load, "OpenVINO's tokenizers library does not load.");
  return reinterpret_cast<CreateExtensions>(found);
}

/** Sets the attributes that were given by name; the others keep the operation's defaults. */
class Attributes : public ov::AttributeVisitor {
 public:
  explicit Attributes(ov::AnyMap given) : given_(std::move(given)) {}

  using ov::AttributeVisitor::on_adapter;
  void on_adapter(const std::string& name, ov::ValueAccessor<void>&) override {
    if (given_.count(name)) throw Failure(Code::load, "The attribute " + name + " is of a type that was not expected.");
  }
  void on_adapter(const std::string& name, ov::ValueAccessor<std::string>& adapter) override { set(name, adapter); }
  void on_adapter(const std::string& name, ov::ValueAccessor<bool>& adapter) override { set(name, adapter); }
  void on_adapter(const std::string& name, ov::ValueAccessor<int32_t>& adapter) override { set(name, adapter); }
  void on_adapter(const std::string& name, ov::ValueAccessor<int64_t>& adapter) override { set(name, adapter); }

  bool all_taken() const { return given_.empty(); }

 private:
  template <class T>
  void set(const std::string& name, ov::ValueAccessor<T>& adapter) {
    const auto found = given_.find(name);
    if (found == given_.end()) return;
    // Whole numbers arrive as int64_t, and ov::Any gives out only the type that it was given.
    if constexpr (std::is_same_v<T, int32_t>)
      adapter.set(static_cast<int32_t>(found->second.template as<int64_t>()));
    else
      adapter.set(found->second.template as<T>());
    given_.erase(found);
  }

  ov::AnyMap given_;
};

}  // namespace

TokenizerOps::TokenizerOps(const std::string& library) {
  std::vector<ov::Extension::Ptr> extensions;
  entry_point(library)(extensions);
  for (const auto& extension : extensions)
    if (std::dynamic_pointer_cast<ov::BaseOpExtension>(extension)) known_[extension->get_type_info().name] = extension;
}

ov::OutputVector TokenizerOps::make(const std::string& name, const ov::OutputVector& inputs,
                                    ov::AnyMap attributes) const {
  const auto found = known_.find(name);
  if (found == known_.end()) throw Failure(Code::load, "OpenVINO's tokenizers library has no operation " + name + ".");
  Attributes visitor(std::move(attributes));
  ov::OutputVector outputs = std::static_pointer_cast<ov::BaseOpExtension>(found->second)->create(inputs, visitor);
  if (!visitor.all_taken()) throw Failure(Code::load, "The operation " + name + " lacks an attribute that was given.");
  return outputs;
}

}  // namespace npu_proxy
