#include "host/prompts/prompt_texts.h"

#include <fmt/format.h>

#include <utility>

#include "mcp/tool.h"

// The texts are written for a model that has this server's tools before it: they name tools and
// arguments, and say what a good end looks like. What a person typed is put between quotes or on a
// line of its own.
namespace pyember::host {

namespace {

using Messages = std::vector<mcp::PromptMessage>;
using Request = PromptText::Request;

mcp::PromptMessage from_user(mcp::Json content) {
  return {mcp::PromptMessage::Role::User, std::move(content)};
}

Messages one_message(std::string text) {
  Messages messages;
  messages.push_back(from_user(mcp::text_block(std::move(text))));
  return messages;
}

// " in the session 'x'", or nothing, where there are no sessions to choose from.
std::string in_session(const Request& request) {
  const std::string name = request.call.argument("session");
  if (request.profile != Profile::Full || name.empty()) return {};
  return fmt::format(" with session='{}'", name);
}

// --- explore_data --------------------------------------------------------------------------------

Result<Messages> explore_data(const Request& request) {
  const std::string question = request.call.argument("question");
  return one_message(fmt::format(
      "Explore this data and tell me what is in it:\n\n{}\n{}\n"
      "Work with the tool run_python{}. Names stay between calls, so load the data once.\n"
      "1. Load it into a data frame. A package that is missing: a line `%pip install NAME` in the "
      "code. If it is larger than memory, take a sample first and say so.\n"
      "2. Look before you compute: shape, types, missing values, duplicates, ranges, the most "
      "frequent values, the first rows.\n"
      "3. Say what is wrong with it (impossible values, mixed units, dates kept as text) and what "
      "you did about that. Change copies; never write to the source.\n"
      "4. Draw what answers the question, four figures at most, each with a title and labelled "
      "axes; plt.show() shows them.\n"
      "End with what you found in at most ten sentences, each with the number it rests on, and "
      "with what the data can't tell.",
      request.call.argument("source"),
      question.empty() ? "" : "\nI want to know: " + question + "\n", in_session(request)));
}

// --- profile_script, compare_scripts -------------------------------------------------------------

// How a tool is told which script: its path, whether it was given or is that of a saved one.
std::string script_argument(const Request& request, const char* argument) {
  const std::string given = request.call.argument(argument);
  const std::string saved = request.sources.script_path ? request.sources.script_path(given) : "";
  return fmt::format("script_path=\"{}\"", saved.empty() ? given : saved);
}

std::string with_version(const Request& request) {
  const std::string version = request.call.argument("python_version");
  return version.empty() ? "" : fmt::format(", python_version=\"{}\"", version);
}

Result<Messages> profile_script(const Request& request) {
  const std::string script = script_argument(request, "script") + with_version(request);
  if (request.profile == Profile::Scripts) {
    return one_message(fmt::format(
        "Find out what this script costs and where that goes: {}.\n\n"
        "1. Measure it with benchmark_script (the same arguments): wall time, CPU time, most "
        "memory. CPU time well below wall time means that it waits.\n"
        "2. Read the script, and say which parts are likely to cost most.\n"
        "3. Check that with benchmark_script on small variants of it, given as script_content.\n"
        "Tell me the figures, the one change that is worth most, and what it would save as far as "
        "you have measured it.",
        script));
  }
  return one_message(fmt::format(
      "Find out where the time of this script goes, and make it faster: {}.\n\n"
      "1. Measure it first: benchmark_script with repeat=5. CPU time well below wall time means "
      "that it waits; memory that grows with the input is worth a word.\n"
      "2. Profile it: run_script_profile with the same arguments. sort=\"own\" shows what itself "
      "takes time, \"cumulative\" on whose behalf.\n"
      "3. Change the one thing that matters most, without changing what the script prints or "
      "writes; check that it does the same.\n"
      "4. Compare: benchmark_script with compare={{\"script_content\": …}} for the changed one. "
      "Believe its verdict, not the difference of two numbers; \"no difference\" is an answer.\n"
      "5. Go on with the next thing while the verdict says faster and the code stays readable.\n"
      "End with a table (before, after, ratio with its interval), the changed script, and what you "
      "tried that did not help.",
      script));
}

Result<Messages> compare_scripts(const Request& request) {
  const std::string other = request.call.argument("other");
  const bool is_version = !other.empty() && other.find_first_not_of("0123456789.") == other.npos;
  const std::string second =
      is_version ? fmt::format("python_version=\"{}\"", other) : script_argument(request, "other");
  return one_message(fmt::format(
      "Which is faster, {} or the same call with {}?\n\n"
      "1. Make sure first that both do the same: run each once, compare what they print.\n"
      "2. Measure with one call: benchmark_script with the first as its script and compare={{{}}} "
      "as the other. It runs them by turns, so that a busy machine slows both.\n"
      "3. Read `comparison`: its verdict, ratio and 99 % interval, and whether CPU time or wall "
      "time decided. `note` says what weakens it.\n"
      "Answer with the verdict, the ratio and its interval, and the memory of both. If there is no "
      "difference, say so.",
      script_argument(request, "script") + with_version(request), second, second));
}

// --- look_into_job -------------------------------------------------------------------------------

mcp::Json job_output_block(const JobReport& job) {
  mcp::Json block = mcp::Json::object();
  block["type"] = "resource";
  block["resource"] = {
      {"uri", job.uri},
      {"mimeType", "text/plain"},
      {"text", fmt::format("---STDOUT---\n{}\n---STDERR---\n{}", job.output, job.errors)}};
  return block;
}

Result<Messages> look_into_job(const Request& request) {
  const std::string id = request.call.argument("job_id");
  const std::optional<JobReport> job = request.sources.job ? request.sources.job(id) : std::nullopt;
  if (!job) {
    return Error{
        ErrorCode::InvalidArgument,
        fmt::format(
            "Invalid params: there is no job {}. py_list_jobs shows those that are known; a job "
            "whose answer was given whole leaves none behind.",
            id.substr(0, 80))};
  }
  Messages messages = one_message(fmt::format(
      "Look into the job {} (\"{}\"), which is {}{}. The end of its output is attached.\n\n"
      "1. Say in one sentence how it stands: what it was to do, how far it came.\n"
      "2. If it failed, find the cause, not the last line: read the traceback from its end, look "
      "at what was printed before. get_job_output reads all of it, py_job_status tells its exit "
      "code and result.\n"
      "3. If it still runs, say whether it makes progress. py_cancel_job ends it; ask me before "
      "you do that.\n"
      "4. Propose what to do next, and try a fix as a new run only when it can't do harm twice.",
      id, job->label, job->status, job->error.empty() ? "" : ": " + job->error));
  messages.push_back(from_user(job_output_block(*job)));
  return messages;
}

// --- connect_tools -------------------------------------------------------------------------------

Result<Messages> connect_tools(const Request& request) {
  const std::string servers = request.call.argument("servers");
  return one_message(fmt::format(
      "Do this with the tools of the MCP servers behind this one, from Python:\n\n{}\n{}\n"
      "Everything goes through run_python; its code calls tools and works on what they answer, so "
      "only what matters is printed.\n"
      "1. Find the tools: `from mcp import runtime`, then `print(await "
      "runtime.search_tool_docs(\"what is needed\", limit=5))`; `runtime.list_servers_sync()` "
      "names the servers.\n"
      "2. Try each tool once on something small and look at the shape of its answer (values are "
      "plain Python; `.raw` is the whole answer).\n"
      "3. Write the whole as one piece of code: independent calls together with asyncio.gather, "
      "results filtered and counted there, an `except MCPError` where a call may fail.\n"
      "4. Before anything is sent, created, changed or deleted: print what it would be, and ask "
      "me.\n"
      "5. What is worth using again, keep with save_tool.\n"
      "End with what was done, call by call in one line each, and what is left to do.",
      request.call.argument("task"),
      servers.empty() ? "" : "\nUse only these servers: " + servers + "\n"));
}

// --- keep_work -----------------------------------------------------------------------------------

Result<Messages> keep_work(const Request& request) {
  const std::string session = request.call.argument("session");
  const std::string format = request.call.argument("format");
  if (!format.empty() && format != "script" && format != "notebook" && format != "pytest") {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("Invalid params: a session can't be written as \"{}\". format is "
                             "script, notebook or pytest.",
                             format.substr(0, 80))};
  }
  return one_message(fmt::format(
      "Turn the work in the session '{}' into something that can be run again.\n\n"
      "1. inspect_session shows what it holds and which cells it ran.\n"
      "2. Leave out what led nowhere; in a fresh session run the cells that are left, in order, "
      "and see that they give the same results.\n"
      "3. Write it with export_session, format=\"{}\", from that session.\n"
      "Tell me where it is, which packages it needs with their versions, and which results depend "
      "on something outside (files, the network, the clock, random numbers).",
      session.empty() ? "main" : session, format.empty() ? "script" : format));
}

// --- all of them ---------------------------------------------------------------------------------

const mcp::PromptArgument kVersion{"python_version", "Python to run it with; 3.12 unless given"};

}  // namespace

const std::vector<PromptText>& prompt_texts() {
  static const std::vector<PromptText> kTexts = {
      {{"compare_scripts",
        "Compare two scripts",
        "Which of two scripts, or two versions of Python, is faster, with a verdict that holds.",
        {{"script", "path, or name of a saved script", true},
         {"other", "another script, or a version of Python such as 3.14", true},
         kVersion}},
       {Profile::Full},
       compare_scripts},
      {{"connect_tools",
        "Connect tools",
        "Do a task with the tools of the configured MCP servers, by code.",
        {{"task", "what is to be done", true},
         {"servers", "names of the servers to use, separated by commas; all unless given"}}},
       {Profile::Full, Profile::Code},
       connect_tools},
      {{"explore_data",
        "Explore data",
        "Find out what is in a file, table or folder, with figures.",
        {{"source", "path, address, or name of a variable in the session", true},
         {"question", "what you want to know"},
         {"session", "the session to work in; 'main' unless given"}}},
       {Profile::Full, Profile::Code},
       explore_data},
      {{"keep_work",
        "Keep work",
        "Turn a session's cells into a script, a notebook or a test.",
        {{"session", "'main' unless given"}, {"format", "script, notebook or pytest"}}},
       {Profile::Full},
       keep_work},
      {{"look_into_job",
        "Look into a job",
        "How a background job stands, or why it failed, with the end of its output.",
        {{"job_id", "as py_list_jobs shows it", true}}},
       {Profile::Full, Profile::Scripts},
       look_into_job},
      {{"profile_script",
        "Profile a script",
        "Find out where a script's time and memory go, and make it faster.",
        {{"script", "path, or name of a saved script", true}, kVersion}},
       {Profile::Full, Profile::Scripts},
       profile_script},
  };
  return kTexts;
}

}  // namespace pyember::host
