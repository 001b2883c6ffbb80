// The benchmark's client: starts any stdio MCP server, times one thing, prints the samples as JSON.
//
//   pyember_bench_client MODE [options] -- COMMAND...
//
// Modes: calls       warm sequential calls, calls after 3 ms of idleness, and a pipeline
//        start       process start to first answer and to first tool result
//        sessions    first result of a session that did not exist before, after --warm-up others
//        run         plain time of a command from spawn to exit
// bench/run.py calls it and makes the table; the samples are printed rather than their quantiles
// so that several interleaved rounds can be put together.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "stdio_peer.h"

namespace {

using pyember::bench::Clock;
using pyember::bench::give_up;
using pyember::bench::microseconds_between;
using pyember::bench::StdioPeer;

struct Options {
  std::string mode;
  std::string era = "modern";  // modern | legacy | none (a peer without a handshake)
  std::string tool = "run_python";
  std::string arguments = R"({"code":"1+1"})";
  std::string expected = "2";  // every answer must contain it
  int calls = 2000;
  int warm_up = 0;
  int warm_up_pause_ms = 0;  // before each session that is not measured
  int pause_ms = 60;         // before each that is: time to make the spare that the last one took
  int idle_calls = 200;
  int pipelined = 1000;
  int repeat = 5;
  int pin = -1;
  bool keep_stderr = false;
  std::vector<std::string> command;
};

constexpr useconds_t kIdle_us = 3000;

constexpr std::string_view kModernMeta =
    R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
    R"("io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},)"
    R"("io.modelcontextprotocol/clientCapabilities":{}})";

Options parse(int count, char** words) {
  Options options;
  if (count < 2) give_up("usage: pyember_bench_client MODE [options] -- COMMAND...");
  options.mode = words[1];
  int at = 2;
  for (; at < count && std::strcmp(words[at], "--") != 0; ++at) {
    const std::string_view name = words[at];
    if (name == "--keep-stderr") {
      options.keep_stderr = true;
      continue;
    }
    if (++at >= count) give_up("missing value of " + std::string(name));
    const char* value = words[at];
    if (name == "--era")
      options.era = value;
    else if (name == "--tool")
      options.tool = value;
    else if (name == "--arguments")
      options.arguments = value;
    else if (name == "--expect")
      options.expected = value;
    else if (name == "--calls")
      options.calls = std::atoi(value);
    else if (name == "--warm-up")
      options.warm_up = std::atoi(value);
    else if (name == "--warm-up-pause")
      options.warm_up_pause_ms = std::atoi(value);
    else if (name == "--pause")
      options.pause_ms = std::atoi(value);
    else if (name == "--idle-calls")
      options.idle_calls = std::atoi(value);
    else if (name == "--pipelined")
      options.pipelined = std::atoi(value);
    else if (name == "--repeat")
      options.repeat = std::atoi(value);
    else if (name == "--pin")
      options.pin = std::atoi(value);
    else
      give_up("unknown option " + std::string(name));
  }
  for (++at; at < count; ++at) options.command.emplace_back(words[at]);
  if (options.command.empty()) give_up("no command after --");
  return options;
}

std::string request(const Options& options, std::uint64_t id, std::string_view method,
                    std::string_view params) {
  std::string line = R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"method":")";
  line.append(method).append(R"(","params":{)").append(params);
  if (options.era == "modern") {
    if (!params.empty()) line += ',';
    line += kModernMeta;
  }
  return line + "}}\n";
}

std::string tool_call(const Options& options, std::uint64_t id, const std::string& tool,
                      const std::string& arguments) {
  return request(options, id, "tools/call", R"("name":")" + tool + R"(","arguments":)" + arguments);
}

// The first exchange with a server; ids from 1.
void first_answer(StdioPeer& peer, const Options& options) {
  if (options.era == "none") return;
  if (options.era == "modern") {
    peer.write(request(options, 1, "server/discover", ""));
    peer.read_answer(1, "\"result\"");
    return;
  }
  peer.write(request(options, 1, "initialize",
                     R"("protocolVersion":"2025-11-25","capabilities":{},)"
                     R"("clientInfo":{"name":"bench","version":"1"})"));
  peer.read_answer(1, "\"result\"");
}

void after_first_answer(StdioPeer& peer, const Options& options) {
  if (options.era != "legacy") return;
  peer.write("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
}

double timed_call(StdioPeer& peer, const Options& options, std::uint64_t id,
                  const std::string& tool, const std::string& arguments,
                  std::string_view expected) {
  const std::string line = tool_call(options, id, tool, arguments);
  const Clock::time_point begin = Clock::now();
  peer.write(line);
  peer.read_answer(id, expected);
  return microseconds_between(begin, Clock::now());
}

void print_samples(const char* name, const std::vector<double>& samples) {
  std::printf("\"%s\":[", name);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    std::printf("%s%.6g", i == 0 ? "" : ",", samples[i]);
  }
  std::printf("]");
}

// The tool's arguments, for a session of that name.
std::string arguments_for(const Options& options, const std::string& session) {
  std::string arguments = options.arguments;
  arguments.pop_back();
  return arguments + R"(,"session":")" + session + "\"}";
}

double pipelined_seconds(StdioPeer& peer, const Options& options, std::uint64_t first_id) {
  std::string lines;
  for (int i = 0; i < options.pipelined; ++i) {
    lines += tool_call(options, first_id + static_cast<std::uint64_t>(i), options.tool,
                       options.arguments);
  }
  const Clock::time_point begin = Clock::now();
  peer.write(lines);
  for (int answered = 0; answered < options.pipelined;) {
    const std::string_view line = peer.read_line();
    if (pyember::bench::answer_id(line) < first_id) continue;
    if (line.find(options.expected) == std::string_view::npos) {
      give_up("unexpected answer: " + std::string(line.substr(0, 2000)));
    }
    ++answered;
  }
  return microseconds_between(begin, Clock::now()) / 1e6;
}

int measure_calls(const Options& options) {
  StdioPeer peer(options.command, options.keep_stderr);
  first_answer(peer, options);
  after_first_answer(peer, options);
  std::uint64_t id = 10;
  const auto call = [&] {
    return timed_call(peer, options, id++, options.tool, options.arguments, options.expected);
  };
  std::vector<double> sequential;
  std::vector<double> idle;
  std::vector<double> pipeline_seconds;
  for (int i = 0; i < options.warm_up; ++i) call();
  for (int i = 0; i < options.calls; ++i) sequential.push_back(call());
  for (int i = 0; i < options.idle_calls; ++i) {
    usleep(kIdle_us);
    idle.push_back(call());
  }
  for (int i = 0; i < options.repeat && options.pipelined > 0; ++i) {
    pipeline_seconds.push_back(pipelined_seconds(peer, options, id));
    id += static_cast<std::uint64_t>(options.pipelined);
  }
  std::printf("{");
  print_samples("sequential_us", sequential);
  std::printf(",");
  print_samples("idle_us", idle);
  std::printf(",");
  print_samples("pipelined_s", pipeline_seconds);
  std::printf(",\"pipelined_calls\":%d}\n", options.pipelined);
  return 0;
}

int measure_start(const Options& options) {
  std::vector<double> first;
  std::vector<double> result;
  for (int i = 0; i < options.repeat; ++i) {
    const Clock::time_point begin = Clock::now();
    StdioPeer peer(options.command, options.keep_stderr);
    first_answer(peer, options);
    first.push_back(microseconds_between(begin, Clock::now()));
    after_first_answer(peer, options);
    timed_call(peer, options, 2, options.tool, options.arguments, options.expected);
    result.push_back(microseconds_between(begin, Clock::now()));
  }
  std::printf("{");
  print_samples("first_answer_us", first);
  std::printf(",");
  print_samples("first_result_us", result);
  std::printf("}\n");
  return 0;
}

int measure_sessions(const Options& options) {
  StdioPeer peer(options.command, options.keep_stderr);
  first_answer(peer, options);
  after_first_answer(peer, options);
  std::vector<double> samples;
  std::uint64_t id = 10;
  for (int i = -options.warm_up; i < options.repeat; ++i) {
    const int pause_ms = i < 0 ? options.warm_up_pause_ms : options.pause_ms;
    usleep(static_cast<useconds_t>(pause_ms) * 1000);
    const std::string name = "fresh-" + std::to_string(i + options.warm_up);
    const double time = timed_call(peer, options, id++, options.tool, arguments_for(options, name),
                                   options.expected);
    if (i >= 0) samples.push_back(time);
    timed_call(peer, options, id++, "close_session", R"({"session":")" + name + "\"}",
               "\"result\"");
  }
  std::printf("{");
  print_samples("first_result_us", samples);
  std::printf("}\n");
  return 0;
}

int measure_run(const Options& options) {
  std::vector<double> samples;
  for (int i = 0; i < options.repeat; ++i) {
    samples.push_back(pyember::bench::time_of_run(options.command));
  }
  std::printf("{");
  print_samples("run_us", samples);
  std::printf("}\n");
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const Options options = parse(count, words);
  if (options.pin >= 0) pyember::bench::pin_to_cpu(options.pin);
  if (options.mode == "calls") return measure_calls(options);
  if (options.mode == "start") return measure_start(options);
  if (options.mode == "sessions") return measure_sessions(options);
  if (options.mode == "run") return measure_run(options);
  give_up("unknown mode " + options.mode);
}
