#include "journal/life.h"

#include "journal/layout.h"

namespace pyember::journal {

void Life::begin() {
  layout_.served = 0;
  layout_.ended = 0;
  ++layout_.starts;
}

void Life::served() { layout_.served = 1; }
void Life::ended() { layout_.ended = 1; }
bool Life::has_served() const { return layout_.served != 0; }
bool Life::has_ended() const { return layout_.ended != 0; }

std::uint64_t Life::restarts() const {
  const std::uint64_t starts = layout_.starts;
  return starts > 0 ? starts - 1 : 0;
}

}  // namespace pyember::journal
