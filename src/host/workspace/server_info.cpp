#include "host/workspace/server_info.h"

#include <string>
#include <string_view>

#include "host/apps/view_resources.h"

namespace pyember::host {

namespace {

constexpr std::string_view kAboutSessions =
    "pyember runs Python in sessions that live between calls. run_python sends code; names persist "
    "in the session ('main' unless you name one). Use several sessions for independent work: they "
    "run in parallel. A package that is missing: a line `%pip install NAME` in the cell. Figures, "
    "images and data frames are seen when shown: plt.show(), display(x), or as a cell's last "
    "expression. Files a cell writes to os.environ['PYEMBER_SESSION_FOLDER'] are linked in the "
    "answer. Code asks the user, where the client shows questions: mcp_runtime.ask('…'), input(). "
    "If a session is lost, its names are gone and the answer says so.";

constexpr std::string_view kAboutRooms =
    " A session begins in-process and moves to a worker process, with its names, when code needs "
    "one (numpy, pandas …); isolation says where, dependencies installs packages first. put_file "
    "and list_files reach a session's folder. Long work: background=true, then inspect_session.";

constexpr std::string_view kAboutScripts =
    "pyember runs Python scripts in processes of their own. run_script_with_dependencies brings "
    "the packages they need, run_script_in_dir uses those of the folder's environment. Long work: "
    "the tools that end in _async start jobs, which outlive this server; py_job_status and "
    "get_job_output follow them.";

constexpr std::string_view kAboutCode =
    "run_python is the one tool: its code finds and calls the tools of every configured MCP "
    "server. "
    "print(runtime.capability_summary()) shows how. A package that is missing: a line `%pip "
    "install "
    "NAME` in the code.";

std::string instructions(Profile profile) {
  if (profile == Profile::Scripts) return std::string(kAboutScripts);
  if (profile == Profile::Code) return std::string(kAboutCode);
  std::string text(kAboutSessions);
  if (profile == Profile::Full) text += kAboutRooms;
  return text;
}

}  // namespace

mcp::ServerInfo server_info(const Options& options) {
  mcp::ServerInfo info;
  info.name = options.server_name;
  info.title = "pyember";
  info.version = PYEMBER_VERSION;
  info.description = "Persistent Python sessions in embedded interpreters";
  info.instructions = instructions(options.profile);
  if (options.profile != Profile::Code) info.extensions = view_extensions();
  return info;
}

}  // namespace pyember::host
