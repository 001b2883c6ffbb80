#pragma once

#include <string>
#include <string_view>

// What is written on a stream of events (PROTOCOL: HTTP-6, LEG-7).
namespace pyember::mcp {

// One message; JSON on one line. `id`: what a client names to resume behind it; empty: none.
std::string message_event(std::string_view message, std::string_view id = {});

// Carries nothing but an id to resume behind and how long to wait before that is tried.
std::string priming_event(std::string_view id);

// Says that the stream is alive; clients skip it.
std::string comment();

}  // namespace pyember::mcp
