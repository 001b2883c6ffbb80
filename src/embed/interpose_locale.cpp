// setlocale() on a session's thread sets that thread's locale (uselocale(3)), so that two sessions
// can have different ones and the server's stays "C". What asks for the locale (localeconv,
// nl_langinfo, strcoll, strftime, mbstowcs, strtod) looks at the thread's first.
//
// A thread gets the locale of the one that starts it (copy_thread_locale); a later change is seen
// by the thread that makes it alone.
#include "embed/interpose_locale.h"

#include <langinfo.h>
#include <locale.h>

#include <array>
#include <string>
#include <string_view>

#include "embed/interpose.h"

namespace pyember::embed {
namespace {

struct Category {
  int number;
  int mask;
  const char* name;
};

constexpr std::array<Category, 12> kCategories{
    {{LC_CTYPE, LC_CTYPE_MASK, "LC_CTYPE"},
     {LC_NUMERIC, LC_NUMERIC_MASK, "LC_NUMERIC"},
     {LC_TIME, LC_TIME_MASK, "LC_TIME"},
     {LC_COLLATE, LC_COLLATE_MASK, "LC_COLLATE"},
     {LC_MONETARY, LC_MONETARY_MASK, "LC_MONETARY"},
     {LC_MESSAGES, LC_MESSAGES_MASK, "LC_MESSAGES"},
     {LC_PAPER, LC_PAPER_MASK, "LC_PAPER"},
     {LC_NAME, LC_NAME_MASK, "LC_NAME"},
     {LC_ADDRESS, LC_ADDRESS_MASK, "LC_ADDRESS"},
     {LC_TELEPHONE, LC_TELEPHONE_MASK, "LC_TELEPHONE"},
     {LC_MEASUREMENT, LC_MEASUREMENT_MASK, "LC_MEASUREMENT"},
     {LC_IDENTIFICATION, LC_IDENTIFICATION_MASK, "LC_IDENTIFICATION"}}};

bool has_own_locale() { return uselocale(nullptr) != LC_GLOBAL_LOCALE; }

const char* name_of(int category) {
  return nl_langinfo_l(_NL_LOCALE_NAME(category), uselocale(nullptr));
}

// setlocale(LC_ALL, nullptr): one name, or "LC_CTYPE=…;LC_NUMERIC=…" when they differ.
const char* name_of_all() {
  thread_local std::string text;
  bool same = true;
  text.clear();
  for (const Category& each : kCategories) {
    same = same && std::string_view(name_of(each.number)) == name_of(LC_CTYPE);
    text += (text.empty() ? "" : ";") + std::string(each.name) + "=" + name_of(each.number);
  }
  return same ? name_of(LC_CTYPE) : text.c_str();
}

int mask_of(int category) {
  if (category == LC_ALL) return LC_ALL_MASK;
  for (const Category& each : kCategories) {
    if (each.number == category) return each.mask;
  }
  return 0;
}

// False leaves everything as it was, which is how setlocale() reports an unknown name.
bool change(int category, const char* name) {
  const locale_t before = uselocale(nullptr);
  const locale_t base = duplocale(before);
  if (!base) return false;
  const locale_t changed = newlocale(mask_of(category), name, base);
  if (!changed) {
    freelocale(base);
    return false;
  }
  uselocale(changed);
  if (before != LC_GLOBAL_LOCALE) freelocale(before);
  return true;
}

}  // namespace

void* copy_thread_locale() noexcept {
  return has_own_locale() ? duplocale(uselocale(nullptr)) : nullptr;
}

void set_thread_locale(void* copy) noexcept {
  const locale_t before = uselocale(nullptr);
  uselocale(copy ? static_cast<locale_t>(copy) : LC_GLOBAL_LOCALE);
  if (before != LC_GLOBAL_LOCALE) freelocale(before);
}

void FreeLocale::operator()(void* copy) const noexcept { freelocale(static_cast<locale_t>(copy)); }

}  // namespace pyember::embed

using namespace pyember::embed;

PYEMBER_INTERPOSE(char*, setlocale, int category, const char* name) {
  if (!interpose::guarded() || (!name && !has_own_locale())) return real_setlocale(category, name);
  if (mask_of(category) == 0) return nullptr;
  if (name && !change(category, name)) return nullptr;
  return const_cast<char*>(category == LC_ALL ? name_of_all() : name_of(category));
}
