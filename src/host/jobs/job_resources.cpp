#include "host/jobs/job_resources.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/limits.h"
#include "base/utf8.h"

namespace pyember::host {

namespace {

bool parse_number(std::string_view text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

// Reads from `offset` on, moves it behind what was read, and makes text of it.
std::string read_text(const JobOutput& output, Stream stream, std::uint64_t& offset,
                      std::size_t limit, bool is_over) {
  const std::uint64_t size = output.size(stream);
  std::string bytes = output.read(stream, offset, limit);
  // A character whose rest may still come is left for the next reading.
  if (!is_over || offset + bytes.size() < size) {
    const std::size_t split = utf8::incomplete_suffix(bytes);
    if (split < bytes.size() || !is_over) bytes.resize(bytes.size() - split);
  }
  offset += bytes.size();
  return utf8::is_valid(bytes) ? bytes : utf8::repaired(bytes);
}

// The first character that begins at or after the place.
std::uint64_t character_start(const JobOutput& output, Stream stream, std::uint64_t offset) {
  if (offset == 0) return 0;
  const std::string bytes = output.read(stream, offset, 4);
  std::size_t skip = 0;
  while (skip < bytes.size() && skip < 3 &&
         (static_cast<unsigned char>(bytes[skip]) & 0xC0) == 0x80) {
    ++skip;
  }
  return offset + skip;
}

std::uint64_t tail_start(const JobOutput& output, Stream stream) {
  const std::uint64_t size = output.size(stream);
  return size <= limits::kJobSnapshotBytes
             ? 0
             : character_start(output, stream, size - limits::kJobSnapshotBytes);
}

StreamText read_from(const JobOutput& output, StreamCursor from, std::size_t limit, bool is_over) {
  StreamText text;
  text.cursor = from;
  text.out = read_text(output, Stream::Stdout, text.cursor.out, limit, is_over);
  text.err = read_text(output, Stream::Stderr, text.cursor.err, limit, is_over);
  text.more = text.cursor.out < output.size(Stream::Stdout) ||
              text.cursor.err < output.size(Stream::Stderr);
  return text;
}

std::string layout(const StreamText& text) {
  return fmt::format("---STDOUT---\n{}\n---STDERR---\n{}", text.out, text.err);
}

}  // namespace

std::optional<StreamCursor> parse_stream_cursor(std::string_view text) {
  StreamCursor cursor;
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) {
    if (text != "0") return std::nullopt;
    return cursor;
  }
  if (!parse_number(text.substr(0, dash), cursor.out)) return std::nullopt;
  if (!parse_number(text.substr(dash + 1), cursor.err)) return std::nullopt;
  return cursor;
}

std::string to_string(const StreamCursor& cursor) {
  return fmt::format("{}-{}", cursor.out, cursor.err);
}

std::optional<JobStreamAddress> parse_job_stream_uri(std::string_view uri) {
  if (!uri.starts_with(JobResources::kScheme)) return std::nullopt;
  uri.remove_prefix(JobResources::kScheme.size());
  JobStreamAddress address;
  const std::size_t question = uri.find('?');
  address.id = std::string(uri.substr(0, question));
  if (address.id.empty()) return std::nullopt;
  if (question == std::string_view::npos) return address;
  std::string_view query = uri.substr(question + 1);
  if (!query.starts_with("since=")) return std::nullopt;
  address.since = parse_stream_cursor(query.substr(6));
  if (!address.since) return std::nullopt;
  return address;
}

std::string job_stream_uri(std::string_view id) {
  return fmt::format("{}{}", JobResources::kScheme, id);
}

StreamText read_since(const JobOutput& output, StreamCursor since, bool is_over) {
  return read_from(output, since, limits::kJobReadBytes, is_over);
}

StreamText read_snapshot(const JobOutput& output, bool is_over) {
  const StreamCursor from{tail_start(output, Stream::Stdout), tail_start(output, Stream::Stderr)};
  StreamText text = read_from(output, from, limits::kJobSnapshotBytes, is_over);
  text.skipped = from.out + from.err;
  return text;
}

// Jobs come and go; they are found with py_list_jobs, which says more.
std::vector<mcp::Resource> JobResources::list(std::string_view, std::size_t) { return {}; }

std::vector<mcp::ResourceTemplate> JobResources::templates() {
  mcp::ResourceTemplate stream;
  stream.uri_template = "job-stream://{job_id}{?since}";
  stream.name = "job-stream";
  stream.title = "Output of a job";
  stream.description =
      "What a job has printed so far: a line ---STDOUT---, its stdout, a line ---STDERR---, its "
      "stderr. since=CURSOR (from the _meta of the last read; 0 at first) gives only what is new. "
      "Can be subscribed to.";
  stream.mime_type = "text/plain";
  return {stream};
}

void JobResources::read(std::string_view uri, mcp::ReadCompletion done) { done(content(uri)); }

Result<std::vector<mcp::ResourceContent>> JobResources::content(std::string_view uri) {
  const std::optional<JobStreamAddress> address = parse_job_stream_uri(uri);
  if (!address) {
    return Error{ErrorCode::NotFound,
                 fmt::format("There is nothing to read at {}: the address is malformed. A job's "
                             "output is read at job-stream://JOB_ID, or job-stream://JOB_ID?since="
                             "CURSOR with a cursor from the _meta of an earlier read, or 0.",
                             uri.substr(0, 200))};
  }
  mcp::ResourceContent content;
  content.uri = std::string(uri);
  content.mime_type = "text/plain";
  const std::optional<Job> job = jobs_.find(address->id);
  const std::unique_ptr<JobOutput> output = job ? jobs_.output(address->id) : nullptr;
  if (output == nullptr) {
    content.data = fmt::format("[error] job not found: {}", address->id);
  } else {
    const bool over = job->is_over();
    const StreamText text =
        address->since ? read_since(*output, *address->since, over) : read_snapshot(*output, over);
    content.data = layout(text);
    content.meta = {{"status", to_string(job->status)},
                    {"cursor", to_string(text.cursor)},
                    {"more", text.more}};
    if (text.skipped > 0) content.meta["skippedBytes"] = text.skipped;
  }
  std::vector<mcp::ResourceContent> contents;
  contents.push_back(std::move(content));
  return contents;
}

bool JobResources::subscribable(std::string_view uri) {
  const std::optional<JobStreamAddress> address = parse_job_stream_uri(uri);
  return address && !address->since && jobs_.find(address->id).has_value();
}

}  // namespace pyember::host
