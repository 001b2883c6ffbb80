#include "host/state/revive.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "host/state/carried_state.h"
#include "host/state/state_file.h"

namespace pyember::host {

namespace {

// "cell 5", "cells 5 to 9": those whose effects the checkpoint does not have.
std::string cells_since(embed::CellNumber held, embed::CellNumber last) {
  return held + 1 == last ? fmt::format("cell {}", last)
                          : fmt::format("cells {} to {}", held + 1, last);
}

std::string told(const Revival& revival, embed::CellNumber held, const CarriedState& state) {
  if (!state.done) {
    return fmt::format(
        "Session '{}' is new and empty: {}, and its checkpoint could not be restored ({}). Import "
        "and define again what you need.",
        revival.session, revival.why, state.problem);
  }
  std::string text = fmt::format(
      "Session '{}' was restored, because {}: its names are as they were after cell {}.",
      revival.session, revival.why, held);
  if (revival.next_number > held + 1) {
    text += fmt::format(" What {} did to them is gone: run that again if you need it.",
                        cells_since(held, revival.next_number - 1));
  }
  CarriedState::Reasons missing = state.missing;
  missing.insert(missing.end(), state.left_behind.begin(), state.left_behind.end());
  missing.insert(missing.end(), state.troubles.begin(), state.troubles.end());
  if (!missing.empty()) {
    text += fmt::format(" Missing: {}. Make them again.", in_words(missing));
  }
  return text + " Threads, tasks, open files and connections are gone.";
}

}  // namespace

bool revive(const Revival& revival, SessionRegistry& registry, Checkpoints& checkpoints) {
  Result<StateHeader> header = read_state_header(revival.path, StateDetail::AboutAndMore);
  if (!header) {
    if (header.error().code != ErrorCode::NotFound) {
      spdlog::warn("checkpoint_unusable session={} error=\"{}\"", revival.session,
                   header.error().message);
    }
    return false;
  }
  StateAbout about = std::move(header.value().about);
  const embed::CellNumber next = std::max(revival.next_number, about.next_number);
  const Result<HostSession*> opened = registry.open(revival.session, std::move(about.plan), next);
  if (!opened) return false;
  HostSession& session = *opened.value();
  if (const Result<mcp::Json> history = mcp::parse_json(header.value().more)) {
    session.history().add_from_json(history.value());
  }
  checkpoints.have(revival.session, next - 1);
  Revival kept = revival;
  kept.next_number = next;
  session.begin_when_used(revival.path, [&session, kept = std::move(kept), held = about.cell]() {
    return when_carried(
        [&session, kept, held](CarriedState state, std::vector<std::string> notices) {
          for (std::string& each : notices) session.add_notice(std::move(each));
          session.add_notice(told(kept, held, state));
        });
  });
  return true;
}

}  // namespace pyember::host
