#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "host/session/host_session.h"
#include "mcp/json.h"

namespace pyember::host {

// What a session has done, as plain data: what the server's own Python writes an export from
// (python/mcp_services/exports.py). What cells showed stays here, because it may be large: in the
// data a display is a token, and put_displays_in() puts the displays in the tokens' places.
//
// Outputs are cut at limits::kExportedStreamBytes each and kExportedOutputBytes in all.
struct ExportMaterial {
  struct Display {
    std::string token;
    std::string mime;
    std::string data;
  };

  mcp::Json cells = mcp::Json::array();
  std::size_t dropped = 0;  // cells that the history has not kept
  std::string folder;       // the session's; empty: none
  std::vector<std::string> asked_for;
  std::vector<Display> displays;  // in the order of their tokens

  std::size_t display_bytes() const;
};

// `with_displays`: the tokens and what belongs to them; else only what kind of thing was shown.
ExportMaterial export_material(const HostSession& session, bool with_displays);

// Pictures as base64, text as the inside of a JSON string.
std::string put_displays_in(std::string text, const std::vector<ExportMaterial::Display>& displays);

}  // namespace pyember::host
