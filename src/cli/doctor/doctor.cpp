#include "cli/doctor/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/doctor/client_configurations.h"
#include "cli/doctor/command_output.h"
#include "cli/doctor/kernel_checks.h"
#include "cli/terminal.h"
#include "mcp/json.h"

namespace pyember::cli {

using mcp::Json;

namespace {

using Clients = std::vector<ClientConfiguration>;

// How this program should be named in a configuration: the name on PATH when that leads here, so
// that the block survives an upgrade, else where it lies.
std::string stable_command() {
  const std::string own = own_program();
  const std::string known = program_on_path("pyember");
  std::error_code failed;
  const bool same = !known.empty() && std::filesystem::equivalent(known, own, failed);
  return same && !failed ? known : own;
}

bool all_well(const Findings& findings) {
  return std::none_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.state == FindingState::Problem;
  });
}

// --- as JSON -------------------------------------------------------------------------------------

Json to_json(const Finding& finding) {
  return Json{{"section", finding.section},
              {"name", finding.name},
              {"state", to_string(finding.state)},
              {"detail", finding.detail},
              {"advice", finding.advice.empty() ? Json() : Json(finding.advice)}};
}

Json to_json(const ClientConfiguration& client) {
  return Json{{"client", client.client},
              {"path", client.path},
              {"state", to_string(client.state)},
              {"detail", client.detail},
              {"block", client.block}};
}

std::string as_json(const Findings& findings, const Clients& clients) {
  Json checks = Json::array();
  for (const Finding& finding : findings) checks.push_back(to_json(finding));
  Json files = Json::array();
  for (const ClientConfiguration& client : clients) files.push_back(to_json(client));
  const Json whole{{"version", PYEMBER_VERSION},
                   {"ok", all_well(findings)},
                   {"checks", std::move(checks)},
                   {"clients", std::move(files)}};
  return whole.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// --- for people ----------------------------------------------------------------------------------

struct Mark {
  const char* symbol;
  Style style;
};

Mark mark_of(FindingState state) {
  switch (state) {
    case FindingState::Ok:
      return {"ok", Style::Green};
    case FindingState::Note:
      return {"note", Style::Dim};
    case FindingState::Warning:
      return {"warning", Style::Yellow};
    case FindingState::Problem:
      return {"problem", Style::Red};
  }
  return {"", Style::Plain};
}

constexpr std::size_t kMarkWidth = 9;
constexpr std::size_t kNameWidth = 18;

void print_findings(const Terminal& out, const Findings& findings) {
  std::string section;
  for (const Finding& finding : findings) {
    if (finding.section != section) {
      section = finding.section;
      out.write_line("\n" + out.styled(Style::Bold, section));
    }
    const Mark mark = mark_of(finding.state);
    out.write_line(fmt::format("  {}{}{}", out.styled(mark.style, padded(mark.symbol, kMarkWidth)),
                               padded(finding.name, kNameWidth), finding.detail));
    if (!finding.advice.empty()) {
      out.write_line(std::string(2 + kMarkWidth, ' ') +
                     out.styled(Style::Dim, "→ " + finding.advice));
    }
  }
}

std::string indented(const std::string& text, std::size_t by) {
  std::string result(by, ' ');
  for (const char byte : text) {
    result.push_back(byte);
    if (byte == '\n') result.append(by, ' ');
  }
  return result;
}

void print_client(const Terminal& out, const ClientConfiguration& client) {
  const std::string where = fmt::format("{}: {}", client.client, client.path);
  const auto line = [&](FindingState state, const std::string& text) {
    const Mark mark = mark_of(state);
    out.write_line("  " + out.styled(mark.style, padded(mark.symbol, kMarkWidth)) + text);
  };
  const std::string margin(2 + kMarkWidth, ' ');
  switch (client.state) {
    case ClientConfiguration::State::NotThere:
      break;  // one line for all of them
    case ClientConfiguration::State::Unreadable:
      line(FindingState::Warning, fmt::format("{}: {}", where, client.detail));
      out.write_line(margin + out.styled(Style::Dim, "→ Mend the file; the client can't read it."));
      break;
    case ClientConfiguration::State::WithPyember:
      line(client.command_exists ? FindingState::Ok : FindingState::Warning,
           fmt::format("{} starts {}", where, client.detail));
      if (!client.command_exists) {
        out.write_line(margin +
                       out.styled(Style::Dim, "→ That program is not there. Put this in:"));
        out.write_line(indented(client.block.dump(2), margin.size()));
      }
      break;
    case ClientConfiguration::State::WithoutPyember:
      line(FindingState::Note, fmt::format("{} has no pyember", where));
      out.write_line(margin + out.styled(Style::Dim, "→ To add it, put this in:"));
      out.write_line(indented(client.block.dump(2), margin.size()));
      break;
  }
}

void print_clients(const Terminal& out, const Clients& clients) {
  out.write_line("\n" + out.styled(Style::Bold, "Clients"));
  std::string missing;
  for (const ClientConfiguration& client : clients) {
    print_client(out, client);
    if (client.state == ClientConfiguration::State::NotThere) {
      missing += (missing.empty() ? "" : ", ") + client.client;
    }
  }
  if (missing.empty()) return;
  out.write_line("  " + out.styled(Style::Dim, padded("note", kMarkWidth)) +
                 "no configuration file of: " + missing);
  const bool none = std::all_of(clients.begin(), clients.end(), [](const auto& client) {
    return client.state == ClientConfiguration::State::NotThere;
  });
  if (!none) return;
  out.write_line(indented(fmt::format("→ Most clients take this block ({}):\n{}",
                                      clients.front().path, clients.front().block.dump(2)),
                          2 + kMarkWidth));
}

void print_verdict(const Terminal& out, const Findings& findings) {
  const auto problems = std::count_if(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.state == FindingState::Problem;
  });
  out.write_line("");
  if (problems == 0) {
    out.write_line(out.styled(Style::Green, "Everything pyember needs is here."));
  } else {
    out.write_line(out.styled(
        Style::Red, fmt::format("{} problem{}: do what stands after → above, then run pyember "
                                "doctor again.",
                                problems, problems == 1 ? "" : "s")));
  }
}

}  // namespace

int doctor(const DoctorOptions& options, const RuntimeFactory& start_runtime) {
  if (options.probe_kernel) return probe_kernel();
  const Terminal out = Terminal::out();
  const Terminal err = Terminal::err();
  ProgressLine progress(err);
  Findings findings;
  // Never destroyed, like everything around a runtime: the process ends with _exit.
  auto& loop = *new host::EventLoop();
  progress.show("looking at the kernel …");
  Findings kernel;
  add_kernel_findings(kernel, loop);
  Findings scripts;
  progress.show("looking at uv and the system's Python …");
  add_script_findings(scripts, loop);
  progress.show("starting the embedded Python …");
  add_python_findings(findings, start_runtime);
  findings.insert(findings.end(), scripts.begin(), scripts.end());
  add_storage_findings(findings);
  findings.insert(findings.end(), kernel.begin(), kernel.end());
  add_container_findings(findings);
  add_http_findings(findings);
  const Clients clients = find_client_configurations(stable_command());
  progress.hide();
  if (options.json) {
    out.write(as_json(findings, clients));
  } else {
    out.write_line(out.styled(Style::Bold, "pyember " PYEMBER_VERSION));
    print_findings(out, findings);
    print_clients(out, clients);
    print_verdict(out, findings);
  }
  return all_well(findings) ? 0 : 1;
}

}  // namespace pyember::cli
