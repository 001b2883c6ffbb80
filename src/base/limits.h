#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

// Every bound of the program, with its reason. Options may change those that say so.
namespace pyember::limits {

using namespace std::chrono_literals;

// --- cells ---------------------------------------------------------------------------------
inline constexpr std::chrono::milliseconds kDefaultTimeout = 60s;    // option --timeout
inline constexpr std::chrono::milliseconds kMaximumTimeout = 3600s;  // option --max-timeout
inline constexpr std::chrono::milliseconds kCodeModeTimeout =
    120s;  // of profile code, the default and the most; options --timeout, --max-timeout
inline constexpr std::size_t kMaximumCodeBytes = 4u << 20;  // a cell is typed or generated text
inline constexpr std::size_t kMaximumQueuedCells = 2048;  // per session; 1,000 pipelined calls fit
inline constexpr std::size_t kMaximumResultCharacters = 20'000;  // repr of the last expression

// --- sessions ------------------------------------------------------------------------------
inline constexpr std::size_t kMaximumSessions = 64;   // option --max-sessions; about 4 MB each
inline constexpr std::size_t kMaximumSessionsOfAll = 512;  // of all principals; about 2 GB
inline constexpr std::size_t kMaximumWorkspaces = 256;     // principals at once; under 1 MB each
inline constexpr std::chrono::milliseconds kIdleWorkspace = 600s;  // with nothing in it: let go
inline constexpr std::size_t kSpareInterpreters = 2;  // option --spares; about 3 MB each
inline constexpr std::size_t kSpareRooms = 1;         // option --room-spares; about 15 MB each
inline constexpr std::size_t kMaximumRetired = 64;    // parked interpreters whose memory is gone
inline constexpr std::chrono::milliseconds kIdleSessionTimeout = 24h;  // option --idle-timeout
inline constexpr std::size_t kMaximumThreadsPerSession = 256;  // beyond: "can't start new thread"

// --- stopping a cell (see docs/threads.md, "The ladder") --------------------------------------
inline constexpr std::chrono::milliseconds kInsistAfter = 12ms;  // KeyboardInterrupt was swallowed
inline constexpr std::chrono::milliseconds kParkAfter = 120ms;   // the code sits in C
inline constexpr std::chrono::milliseconds kAbandonAfter =
    200ms;  // nothing wakes it: answer anyway

// --- output --------------------------------------------------------------------------------
inline constexpr std::size_t kOutputBudgetCharacters = 20'000;  // option --output-budget, per call
inline constexpr std::size_t kHeldOutputBytes = 256u << 20;     // option --held-output, on disk
inline constexpr std::size_t kOutputMemoryBytes = 256u
                                                  << 10;  // per stream before it spills to disk

// --- protocol ------------------------------------------------------------------------------
inline constexpr std::size_t kMaximumLineBytes = 16u << 20;  // the largest cell, escaped, with room
inline constexpr std::size_t kMaximumJsonDepth = 64;         // MCP itself needs about ten
inline constexpr std::size_t kMaximumJsonMembers = 256;      // per object; looked up linearly
inline constexpr std::size_t kMaximumJsonValues = 1u << 18;  // per message; 16 bytes each and more
inline constexpr std::size_t kMaximumIdBytes = 256;          // a request id; UUIDs take 36
inline constexpr std::size_t kMaximumRequestsInFlight = 4096;     // above kMaximumQueuedCells
inline constexpr std::size_t kMaximumBytesInFlight = 256u << 20;  // lines of those; eight at least
inline constexpr std::size_t kMaximumSubscriptions = 64;          // streams open at once
inline constexpr std::size_t kMaximumSubscribedUris = 256;        // per stream
inline constexpr std::size_t kMaximumUriBytes = 4096;
inline constexpr std::size_t kTraceContextBytes = 8192;        // of one of its three texts
inline constexpr std::size_t kPageSize = 100;                 // entries of one page of a list
inline constexpr std::size_t kCompletionValues = 100;         // of one answer; MCP says so
inline constexpr std::size_t kMaximumCompletionBytes = 1024;  // of what was typed so far
static_assert(kMaximumLineBytes >= 3 * kMaximumCodeBytes);    // non-ASCII code is escaped threefold
static_assert(kMaximumRequestsInFlight > kMaximumQueuedCells);
static_assert(kMaximumBytesInFlight >= 8 * kMaximumLineBytes);

// --- host: loop, transport, memory watch --------------------------------------------------------
inline constexpr std::chrono::milliseconds kHomeCpuPeriod = 100ms;  // how long a home CPU is kept
inline constexpr std::chrono::milliseconds kLongCell =
    20ms;                                           // then its thread may leave the home CPU
inline constexpr std::size_t kPostsPerTurn = 4096;  // tasks of other threads per loop turn
inline constexpr std::chrono::milliseconds kLoopCloseDeadline = 2s;
inline constexpr std::size_t kReadChunkBytes = 64u << 10;  // the capacity of a pipe
inline constexpr std::size_t kOutputReadsPerTurn = 8;      // of one session, then others get a turn
inline constexpr std::size_t kInputSliceBytes = 4u << 10;  // given to the server between two looks
                                                           // at how much output waits
inline constexpr std::size_t kPendingOutputBytes =
    8u << 20;  // unsent: new requests wait, cancels don't
inline constexpr std::size_t kHeldInputBytes = 4u << 20;  // read while requests wait; then stop
inline constexpr std::chrono::milliseconds kTick = 1s;    // watchdog, idle sessions
inline constexpr std::chrono::milliseconds kMemoryLookPeriod = 100ms;  // while a cell runs long
inline constexpr std::chrono::milliseconds kWedgedAfter = 10s;  // runtime silent: end the server
inline constexpr std::size_t kRestartAtRetired = kMaximumRetired * 3 / 4;  // when no cell runs
inline constexpr std::chrono::milliseconds kHandOverGrace = 5s;  // for cells, before a new server
inline constexpr std::chrono::milliseconds kSignalEcho = 200ms;  // sent to us and our supervisor
inline constexpr int kRestartExitCode = 86;  // asks the supervisor for another server
inline constexpr int kUpgradeExitCode = 87;  // the same: for another program
inline constexpr int kGivenUpExitCode = 88;  // the supervisor's own
inline constexpr std::int64_t kMemoryFloorBytes = 512ll
                                                  << 20;  // or 5 % of the machine's, the lesser
inline constexpr std::chrono::milliseconds kMemoryStopPause = 2s;    // between two stopped sessions
inline constexpr std::chrono::milliseconds kInputEndGrace = 1000ms;  // running cells, stdin closed
inline constexpr std::chrono::milliseconds kStopGrace =
    500ms;  // interrupted cells answer in this time
inline constexpr std::chrono::milliseconds kEndChildrenDeadline = 150ms;
inline constexpr std::chrono::milliseconds kFlushDeadline = 100ms;  // of the last answers

// --- host: sessions and what is remembered of them
// ------------------------------------------------
inline constexpr std::size_t kMaximumSessionNameBytes = 64;
inline constexpr std::chrono::milliseconds kCarryTimeout =
    60s;  // to pickle a session's state, and to read it
inline constexpr std::chrono::milliseconds kCheckpointAfter = 1s;  // idle, since its last cell
inline constexpr std::uint64_t kCheckpointPatience = 20;  // times what the last one took, idle
inline constexpr std::chrono::milliseconds kCheckpointTimeout = 5s;  // then names are left behind
inline constexpr std::chrono::milliseconds kCheckpointGrace = 3s;    // … and then it has failed
inline constexpr std::chrono::milliseconds kLastCheckpoints = 2s;    // of all, at the server's end
inline constexpr std::uint64_t kCheckpointBytes = 64u << 20;         // of one session
inline constexpr std::uint64_t kCheckpointBytesAll = 512u << 20;     // of one server's sessions
inline constexpr std::int64_t kCheckpointMemory = 256ll
                                                  << 20;  // a session in-process with more: none
inline constexpr std::size_t kCheckpointHistory = 256u << 10;  // of its cells; more: without them
inline constexpr std::uint64_t kCheckpointBytesLeft = 1ull << 30;  // of servers that have ended …
inline constexpr std::chrono::seconds kCheckpointsKept = 7 * 24h;  // … and for how long
inline constexpr std::chrono::milliseconds kSaveTimeout = 60s;     // of save_session, to pickle
inline constexpr std::size_t kStateAboutBytes = 1u << 20;  // told about a saved state: its plan
inline constexpr std::size_t kStateMoreBytes = 64u << 20;  // … and what its cells were
inline constexpr std::size_t kMaximumTombstones = 256;     // closed or lost sessions we can explain
inline constexpr std::size_t kRememberedCells = 64;        // ended background cells per session
inline constexpr std::size_t kHeldCells = 4096;            // cells per session whose output is held
inline constexpr std::size_t kHistoryBytes = 8u << 20;  // of a session's cells: two of the largest
inline constexpr std::size_t kHistoryCells = 4096;      // as many as have their output held
inline constexpr std::size_t kMaximumCandidates = 16;   // of a race; a process each
inline constexpr std::size_t kRaceOutputBytes = 8u << 20;       // held of one candidate's
inline constexpr std::chrono::milliseconds kAskDeadline = 10s;  // of what the server asks a session
inline constexpr std::size_t kExportedStreamBytes = 256u << 10;  // of one cell's, in an export
inline constexpr std::size_t kExportedOutputBytes = 4u << 20;    // of all of them
inline constexpr std::size_t kExportInFolderBytes = 32u << 20;   // of pictures; more: to a path
inline constexpr std::size_t kCodeExcerptCharacters =
    400;  // of a running cell's code, when inspected
inline constexpr std::size_t kOutputPageBytes = 1u << 20;    // of one resource read
inline constexpr std::size_t kOutputTailBytes = 128u << 10;  // kept of what passes the held limit
inline constexpr std::chrono::milliseconds kProgressPeriod =
    100ms;  // between two progress messages
inline constexpr std::chrono::milliseconds kKeepAlivePeriod =
    5s;                                                         // progress when nothing is printed
inline constexpr std::size_t kProgressMessageBytes = 8u << 10;  // of output in one message
inline constexpr std::chrono::milliseconds kInspectDeadline =
    1s;  // then answered without the names

// --- host: what cells show, files of sessions ----------------------------------------------------
inline constexpr std::size_t kHeldDisplayBytes = 64u << 20;  // per session; two cells' at most
inline constexpr std::size_t kAnswerImages = 10;             // in one answer; the others are linked
inline constexpr std::size_t kAnswerImageBytes = 4u << 20;   // of those together, before base64
inline constexpr std::size_t kAnswerLinks = 20;              // to displays, of one answer
inline constexpr std::size_t kAnswerFiles = 10;              // linked by one answer
inline constexpr std::size_t kMaximumFolderEntries = 1000;   // looked at after a cell
inline constexpr std::size_t kMaximumFolderDepth = 8;
inline constexpr std::size_t kMaximumPutBytes = 8u << 20;  // of put_file; with base64, one message
inline constexpr std::size_t kRememberedProducts = 256;    // cells whose new files are remembered
inline constexpr std::chrono::seconds kLeftoverFolderAge = 60s;  // younger: it is being made
static_assert(kMaximumPutBytes / 3 * 4 < kMaximumLineBytes);

// --- host: the server's own Python -----------------------------------------------------------
inline constexpr std::size_t kMaximumServiceCalls = 256;                // that wait for their turn
inline constexpr std::chrono::milliseconds kServiceCallDeadline = 10s;  // of one call's code
inline constexpr std::chrono::milliseconds kServiceAnswerDeadline = 30s;  // with its interpreter's
                                                                          // making
inline constexpr std::chrono::milliseconds kServiceIdleTimeout = 180s;  // then its memory is freed
inline constexpr std::size_t kMaximumServiceAnswerBytes = 16u << 20;
inline constexpr std::size_t kMaximumServiceMembers = 4096;  // variables of one .env file

// --- host: environments made by uv -------------------------------------------------------------
inline constexpr std::size_t kMaximumSetUps = 4;           // at once; each keeps a processor busy
inline constexpr std::size_t kMaximumWaitingSetUps = 256;  // beyond: refused
inline constexpr std::chrono::milliseconds kSetUpDeadline = 600s;  // a large download, and slow
inline constexpr std::chrono::milliseconds kUvEndGrace = 500ms;    // its pipes, after its exit
inline constexpr std::size_t kUvOutputBytes = 64u << 10;     // of each stream; the end is kept
inline constexpr std::size_t kMaximumStampBytes = 1u << 20;  // thousands of packages
inline constexpr std::size_t kMaximumDependencies = 256;
inline constexpr std::size_t kMaximumDependencyBytes = 4096;
inline constexpr std::chrono::seconds kImportsTriedAgain = 300s;  // packages that could not be had
inline constexpr std::chrono::seconds kEnvironmentInUse = 3600s;  // after its last use it stays

// --- host: runs and jobs ------------------------------------------------------------------------
inline constexpr std::size_t kRunRecordBytes = 64u << 10;   // of what a runner writes about a run
inline constexpr std::size_t kMaximumLiveJobs = 1024;       // processes are the machine's bound
inline constexpr std::size_t kJobsKept = 500;               // that are over; then the oldest go
inline constexpr std::uint64_t kJobBytesKept = 2ull << 30;  // of their folders
inline constexpr std::size_t kJobResultTextBytes = 64u << 10;  // of one text in a stored result
inline constexpr std::size_t kJobLabelBytes = 200;
inline constexpr std::size_t kJobReadBytes = 1u << 20;         // of one read of a job's output
inline constexpr std::size_t kJobSnapshotBytes = 4u << 20;     // of a stream, read whole
inline constexpr std::size_t kJobPartialBytes = 64u << 10;     // of a stream in jobs.json …
inline constexpr std::size_t kJobPartialsBytes = 1u << 20;     // … and of all of them
inline constexpr std::size_t kJobsFileResultBytes = 8u << 10;  // of one text of a result there
inline constexpr std::size_t kJobsFileBytes = 64u << 20;       // beyond: not read, not written
inline constexpr std::chrono::milliseconds kJobOutputPeriod = 150ms;    // between two looks
inline constexpr std::chrono::milliseconds kJobsFilePeriod = 250ms;     // four writes a second
inline constexpr std::chrono::milliseconds kJobsFileLockDeadline = 2s;  // then tried again later
inline constexpr int kStoreLogPages = 1000;  // 4 MB, then they are brought into the database …
inline constexpr int kStoreMostLogPages = 16'000;  // … by a commit, had nobody else got to it
inline constexpr std::chrono::milliseconds kStoreBusyTimeout = 1s;  // commits take milliseconds
inline constexpr std::chrono::milliseconds kAdoptAfter = 1s;    // the start: first calls go first
inline constexpr std::chrono::milliseconds kOrphanPeriod = 5s;  // looks for dead servers' jobs
inline constexpr std::chrono::milliseconds kQuickStart = 3ms;   // of a runner; a longer one …
inline constexpr std::chrono::milliseconds kStartPause = 25ms;  // … is followed by a pause, at most
inline constexpr std::chrono::milliseconds kRunnerStartGrace = 5s;  // until it must hold its lock
inline constexpr std::chrono::milliseconds kRunnerEndGrace = 7s;    // its own TERM, grace, KILL

// --- runner (docs/runner.md) ---------------------------------------------------------------------
inline constexpr std::chrono::milliseconds kRunnerGrace = 2s;  // between TERM and KILL; --grace
inline constexpr std::chrono::milliseconds kLeftoverGrace =
    500ms;  // for what a program that ended left behind
inline constexpr std::chrono::milliseconds kClearAwayDeadline = 20s;  // of what a run was in
inline constexpr std::chrono::milliseconds kKillDeadline = 10s;       // then recorded without them
inline constexpr std::chrono::milliseconds kFirstKillPause = 1ms;     // between looks for survivors
inline constexpr std::chrono::milliseconds kLongestKillPause = 50ms;  // doubled up to this
inline constexpr std::chrono::milliseconds kRemoveGroupDeadline = 200ms;  // of an empty cgroup
inline constexpr std::chrono::milliseconds kFirstSample = 10ms;  // short runs have a curve too
inline constexpr std::chrono::milliseconds kShortestSampleInterval = 1ms;
inline constexpr std::size_t kMaximumSamples = 100'000;  // 3 MB; then every second one is dropped

// --- host: workers (docs/workers.md) -------------------------------------------------------------
inline constexpr std::size_t kWorkerHeaderBytes = 1u << 20;    // of one frame: results, tracebacks
inline constexpr std::size_t kWorkerBodyBytes = 64u << 20;     // of one frame: code, pictures
inline constexpr std::size_t kWorkerListedItems = 1024;        // notices, displays of one cell
inline constexpr std::size_t kWorkerReadsPerTurn = 8;          // of 64 KB; then others get a turn
inline constexpr std::size_t kControlPacketBytes = 64u << 10;  // between server and zygote
inline constexpr std::chrono::milliseconds kZygoteStartDeadline = 60s;  // imports from a cold disk
inline constexpr std::chrono::milliseconds kWorkerStartDeadline = 60s;  // a fork, and preloading
inline constexpr std::chrono::milliseconds kZygoteIdleTimeout = 300s;   // without a worker
inline constexpr std::chrono::milliseconds kBoundedSpareDelay =
    100ms;                                                    // behind a session's first cell
inline constexpr std::size_t kRememberedPlaces = 64;          // beyond: only those with a zygote
inline constexpr std::size_t kZygoteLogBytes = 2u << 20;      // of what it prints; then unread
inline constexpr std::size_t kZygoteLogTailBytes = 4u << 10;  // kept, to say why it ended
inline constexpr std::chrono::milliseconds kWorkerAskAgain = 60ms;    // KeyboardInterrupt swallowed
inline constexpr std::chrono::milliseconds kWorkerAskPeriod = 250ms;  // then as often as this
inline constexpr std::chrono::milliseconds kWorkerStopGrace = 1500ms;  // then it is killed
inline constexpr std::size_t kMaximumUndo = 8;  // copies a session keeps, each a process
inline constexpr std::chrono::milliseconds kFamilyMemoryPeriod = 1s;  // of looks at what they take
inline constexpr std::chrono::milliseconds kWorkerExitWait = 300ms;   // for the zygote's word on an
                                                                      // end the wire told of
inline constexpr std::chrono::milliseconds kWorkerReapWait = 5s;  // the same, of one surely dead
inline constexpr std::size_t kCrashTextBytes = 64u << 10;         // what faulthandler may write

// --- host: boundaries (docs/isolation.md)
// ---------------------------------------------------------
inline constexpr std::uint64_t kBoundaryMemoryBytes = 512u << 20;         // of all processes in one
inline constexpr std::uint64_t kSmallestBoundaryMemoryBytes = 64u << 20;  // Python, and some data
inline constexpr std::uint64_t kBoundaryProcesses = 128;                  // threads count too
inline constexpr std::uint64_t kSmallestBoundaryProcesses = 16;    // keeper, zygote, spare, worker
inline constexpr std::uint64_t kBoundaryTmpBytes = 64u << 20;      // /tmp, and /dev/shm
inline constexpr std::uint64_t kBoundaryFolderBytes = 128u << 20;  // /workspace
inline constexpr std::uint64_t kBoundaryRunFileBytes = 256u
                                                       << 20;  // each file that a script writes
inline constexpr std::uint64_t kBoundaryOpenFiles = 1024;      // of one process
inline constexpr std::chrono::milliseconds kContainerOrphansDelay = 3s;    // behind the first start
inline constexpr std::chrono::milliseconds kContainerListDeadline = 60s;   // `ps`, `rm -f`
inline constexpr std::chrono::milliseconds kContainerPullDeadline = 900s;  // of an image

// --- host: the sandbox
// -----------------------------------------------------------------------------
inline constexpr std::uint64_t kSandboxTmpInodes = 16384;  // each takes a kilobyte of the kernel's
inline constexpr std::uint64_t kSandboxFolderInodes = 65536;  // /workspace; a project with data
inline constexpr std::uint64_t kSandboxSharedInodes = 4096;   // /dev/shm: multiprocessing's names
inline constexpr std::uint64_t kZygoteAddressSpace = 512u << 20;  // before any code of a session
inline constexpr std::uint64_t kZygoteMemory = 64u << 20;         // the same, really taken
inline constexpr std::uint64_t kZygoteProcesses = 4;  // bwrap, the first one inside, keeper, zygote
inline constexpr std::chrono::milliseconds kSandboxProbeDeadline = 5s;  // a start takes 6 ms
inline constexpr std::size_t kSandboxProbeBytes = 4096;                 // of what a failed one says

// --- host: the way out of a sandbox --------------------------------------------------------------
inline constexpr std::size_t kMaximumAllowedHosts = 128;  // of 253 bytes each: one control packet
inline constexpr int kProxyBacklog = 128;                 // connections of one sandbox that wait
inline constexpr std::chrono::milliseconds kProxyIdleTimeout = 300s;  // without a sandbox
inline constexpr std::chrono::milliseconds kProxyFirstPause = 100ms;  // before it is started again;
inline constexpr std::chrono::milliseconds kProxyLongestPause = 30s;  // doubled each time, unless
inline constexpr std::chrono::milliseconds kProxyLongLife = 60s;      // it had lived for so long
static_assert(kMaximumAllowedHosts * 300 < kControlPacketBytes);
inline constexpr std::size_t kMaximumAllowedPaths = 64;  // each a mount of every sandbox's start

// --- host: upstreams that are configured (docs/upstreams.md) -------------------------------------
inline constexpr std::size_t kMaximumConfigurationFiles = 256;  // of one folder
inline constexpr std::size_t kMaximumUpstreams = 256;           // of all files; people have ten
inline constexpr std::size_t kMaximumUpstreamNameBytes = 128;
inline constexpr std::size_t kMaximumUpstreamTexts = 1024;  // arguments; variables; headers
inline constexpr std::size_t kConfigurationTextBytes = 128u
                                                       << 10;  // what Linux lets one argument be
inline constexpr std::size_t kMaximumConfigurationWarnings = 200;
inline constexpr std::size_t kMaximumImportedFiles = 1024;

// --- host: what the tools of upstreams are (docs/tool-search.md) ---------------------------------
inline constexpr std::size_t kUpstreamTools = 10'000;              // of one upstream
inline constexpr std::size_t kUpstreamToolNameBytes = 512;         // MCP says 128 characters
inline constexpr std::size_t kUpstreamToolTextBytes = 64u << 10;   // a description; then cut
inline constexpr std::size_t kUpstreamSchemaValues = 20'000;       // of one schema; then any fits
inline constexpr std::size_t kUpstreamToolsFileBytes = 16u << 20;  // a list kept on disk
inline constexpr std::size_t kSearchQueryBytes = 1024;
inline constexpr std::size_t kSearchQueryWords = 32;
inline constexpr std::size_t kSearchTextBytes = 4u << 10;  // of a description, that is searched
inline constexpr std::size_t kSignatureBytes = 4u << 10;   // longer ones name no optional arguments
inline constexpr std::size_t kDocstringBytes = 32u << 10;  // then cut
inline constexpr std::size_t kArgumentSteps = 200'000;     // of a check; what is behind passes

// --- host: what code may ask of upstreams (docs/policy.md) ---------------------------------------
inline constexpr std::size_t kUpstreamCallsPerRun =
    10'000;  // max_calls_per_run; loops over pages fit
inline constexpr std::size_t kMaximumCallsPerRun = 1'000'000'000;  // which it may be set to
inline constexpr std::size_t kPolicyFileBytes = 1u << 20;          // thousands of rules
inline constexpr std::size_t kAuditFileBytes = 16u << 20;          // some 50,000 calls …
inline constexpr std::size_t kAuditFiles = 4;                      // … in each of so many files
inline constexpr std::size_t kAuditWaitingBytes = 1u << 20;        // of lines; then dropped
inline constexpr std::chrono::milliseconds kAuditPeriod = 250ms;   // lines wait for others
inline constexpr std::size_t kPinnedTextBytes = 16u << 10;       // of a tool's description, schema
inline constexpr std::size_t kPinFileBytes = 32u << 20;          // beyond: counts as not there
inline constexpr std::size_t kToolChangeBytes = 4u << 10;        // of a shown change of tools
inline constexpr std::size_t kQuestionArgumentBytes = 2u << 10;  // of arguments, in a question

// --- protocol: questions to the client ---------------------------------------------------------
inline constexpr std::chrono::milliseconds kQuestionDeadline = 600s;  // people are away
inline constexpr std::size_t kQuestionsAtOnce = 8;     // of one call; others wait in order
inline constexpr std::size_t kMaximumQuestions = 256;  // of one call, with those that wait
inline constexpr std::size_t kWaitingCalls = 64;       // asked something, not called again yet
inline constexpr std::chrono::milliseconds kWaitingCallLifetime = 3600s;  // then it is given up
inline constexpr std::size_t kTasks = 1024;             // of one server, with those that are over
inline constexpr std::chrono::milliseconds kTaskTtl = 900s;           // after its end
inline constexpr std::size_t kTaskRecordBytes = 4u << 20;  // on disk: as much as a message carries
inline constexpr std::chrono::milliseconds kTaskPollInterval = 500ms; // what clients are told
inline constexpr std::chrono::milliseconds kTaskAfter = 1s;           // a call that is slower
inline constexpr std::size_t kMaximumRoots = 1024;     // folders that a client tells
inline constexpr std::size_t kFormFields = 32;         // of one form; people fill it in
inline constexpr std::size_t kFormChoices = 256;       // of one field
inline constexpr std::size_t kFormBytes = 32u << 10;   // all in all
inline constexpr std::size_t kQuestionTextBytes = 4u << 10;           // that code asks
inline constexpr std::size_t kSamplingBytes = 1u << 20;               // that code asks a model
inline constexpr std::chrono::milliseconds kLongestQuestion = 3600s;  // as long as calls wait
inline constexpr std::chrono::nanoseconds kHeldForQuestions = 3600s;  // a cell's timeout, at most

// --- host: scripts -----------------------------------------------------------------------------
inline constexpr std::size_t kMaximumScriptBytes = 8u << 20;  // as large as a message's text may be
inline constexpr std::uint64_t kEnvironmentBytes = 8ull << 30;  // on disk; a large one has two
inline constexpr std::size_t kAutosavedScripts = 500;  // inline scripts kept, oldest go first
inline constexpr std::uint64_t kAutosavedBytes = 64u << 20;
inline constexpr std::chrono::milliseconds kDefaultScriptTimeout = 300s;  // timeout_seconds
inline constexpr double kSmartAsyncSeconds = 20.0;           // SMART_ASYNC_TIMEOUT_SECONDS
inline constexpr std::size_t kJobAnswerBytes = 4u << 20;     // of get_job_output, both streams
inline constexpr std::size_t kListedOutputCharacters = 400;  // of a result in a list of jobs
inline constexpr std::size_t kIncrementalReaders = 1024;     // jobs whose last read is remembered
inline constexpr std::size_t kJobViewTailBytes = 64u << 10;  // of a stream, of many runs, in a view
inline constexpr std::size_t kPromptOutputBytes = 16u << 10;  // of a job's stream, in a prompt

// --- command line --------------------------------------------------------------------------------
inline constexpr std::chrono::milliseconds kDoctorCommandDeadline = 5s;  // `uv --version` and such
inline constexpr std::chrono::milliseconds kDoctorPythonDeadline = 20s;  // the embedded one starts
inline constexpr std::chrono::milliseconds kShownOutputPeriod = 40ms;    // as fast as one reads
inline constexpr std::size_t kMaximumConfigurationBytes = 16u << 20;     // a client's file
inline constexpr std::size_t kMaximumConfigurationMembers = 4096;        // of one object in it

// --- host: benchmarks ----------------------------------------------------------------------------
inline constexpr std::size_t kMaximumBenchmarkRuns = 1000;    // of one script, in one call
inline constexpr std::size_t kMaximumProfileFunctions = 500;  // of one answer
inline constexpr std::size_t kProfileBytes = 1u << 20;        // of what a profiler wrote
inline constexpr std::size_t kSamplesBytes = 4u << 20;  // above what kMaximumSamples lines take
inline constexpr std::size_t kCurvePoints = 400;        // about one for each pixel

// --- host: calls of sessions' code (docs/code-mode-wire.md)
// ---------------------------------------
inline constexpr std::size_t kMaximumCallFrame = 64u << 20;        // as much as a cell's result
inline constexpr std::uint64_t kMaximumCallId = (1ull << 53) - 1;  // exact in every JSON reader
inline constexpr std::size_t kCallsInFlight = 256;  // of one session; the others wait in order …
inline constexpr std::size_t kCallsWaiting = 8192;  // … so many with them, then no more is read
inline constexpr std::size_t kHeldCallBytes = 2 * kMaximumCallFrame;  // of one session, both ways
inline constexpr std::size_t kHeldProgressBytes = 1u << 20;  // unread answers: no progress is told
inline constexpr std::size_t kSavedToolsBytes = 1u << 20;    // of the file of saved tools
inline constexpr std::size_t kToolErrorBytes = 64u << 10;    // of an exception's text
inline constexpr std::size_t kSearchResults = 5;             // of a search that doesn't say
inline constexpr std::size_t kMostSearchResults = 20;
inline constexpr std::chrono::milliseconds kSearchListTimeout = 15s;  // of one unknown server
inline constexpr std::chrono::milliseconds kLongestCallTimeout = 24h;

// --- host: MCP servers behind this one (docs/upstreams.md) --------------------------------------
inline constexpr std::size_t kUpstreamMessageBytes = 64u << 20;  // one message, either way
inline constexpr std::size_t kUpstreamJsonMembers = 16'384;      // of one object in it
inline constexpr std::size_t kUpstreamJsonValues = 4u << 20;     // of a message; about 64 MB
inline constexpr std::size_t kUpstreamListBytes = 32u << 20;     // of all pages of one list
inline constexpr std::size_t kUpstreamListEntries = 10'000;
inline constexpr std::size_t kUpstreamListPages = 1'000;
inline constexpr std::size_t kUpstreamRequests = 4096;  // of one upstream, waiting or in flight
inline constexpr std::size_t kUpstreamRounds = 10;      // of a request that is asked to come again
inline constexpr std::size_t kUpstreamQuestions = 16;   // that an upstream may ask at once
inline constexpr std::size_t kUpstreamUnsentBytes = 128u << 20;  // for a child that does not read
inline constexpr std::size_t kUpstreamReadsPerTurn = 16;         // of 64 KB; then others get a turn
inline constexpr std::size_t kUpstreamStderrBytes = 16u << 10;   // kept of what a child prints
inline constexpr std::size_t kUpstreamStderrShown = 2u << 10;    // of those, in an error
inline constexpr std::chrono::milliseconds kUpstreamCallTimeout = 300s;  // unless the call says so
inline constexpr std::chrono::milliseconds kUpstreamStartDeadline = 120s;  // npx may download first
inline constexpr std::chrono::milliseconds kUpstreamProbeDeadline = 10s;   // for the modern era
inline constexpr std::chrono::milliseconds kUpstreamIdleTimeout = 600s;    // then it is stopped
inline constexpr std::chrono::milliseconds kUpstreamFirstPause = 500ms;  // after a failed start; …
inline constexpr std::chrono::milliseconds kUpstreamLongestPause = 30s;  // … doubled up to this
inline constexpr std::size_t kUpstreamFreeCrashes = 3;  // with no answer in between; then pauses
inline constexpr std::chrono::milliseconds kUpstreamRelistDelay = 50ms;  // for list_changed floods
inline constexpr std::chrono::milliseconds kUpstreamEndGrace = 2s;       // stdin closed, then TERM
inline constexpr std::chrono::milliseconds kUpstreamTermGrace = 2s;      // … then KILL
static_assert(kUpstreamUnsentBytes > kUpstreamMessageBytes);

// --- host: upstreams over HTTP (docs/upstreams.md) -----------------------------------------------
inline constexpr std::chrono::milliseconds kHttpConnectTimeout = 20s;  // names, TCP, TLS, proxies
inline constexpr std::size_t kHttpConnections = 256;  // of one upstream: what a session may call
inline constexpr std::size_t kHttpHeaderBytes = 256u << 10;  // of one answer
inline constexpr std::size_t kHttpErrorBytes = 256u << 10;   // read of an answer that is an error
inline constexpr std::size_t kHttpErrorShown = 300;          // characters of it, in our error
inline constexpr std::size_t kHttpRedirects = 3;             // of one request, within its origin
inline constexpr std::size_t kHttpSessionIdBytes = 4096;
inline constexpr std::size_t kHttpResumptions = 10;  // of one answer whose stream broke, in a row
inline constexpr std::chrono::milliseconds kHttpEndDeadline = 2s;  // to delete a session
inline constexpr std::chrono::milliseconds kHttpStreamPatience = 1s;  // for a stream of the
                                                                       // server's own messages
inline constexpr std::size_t kSseIdBytes = 4096;                   // of an event
inline constexpr std::chrono::milliseconds kSseFirstRetry = 1s;    // unless the server says so; …
inline constexpr std::chrono::milliseconds kSseLongestRetry = 60s;  // … doubled up to this
inline constexpr std::chrono::milliseconds kOldSseDeadline = 10s;   // for its first event
inline constexpr std::size_t kOAuthBytes = 1u << 20;  // of one answer about authorization
inline constexpr std::size_t kOAuthScopes = 100;      // asked for at once
inline constexpr std::chrono::milliseconds kOAuthTimeout = 30s;       // of one such request
inline constexpr std::chrono::seconds kOAuthRefreshBefore = 60s;      // a token expires
inline constexpr std::chrono::milliseconds kOAuthLockPatience = 10s;  // while another refreshes
inline constexpr std::chrono::milliseconds kLoginDeadline = 600s;     // for the person
inline constexpr std::size_t kLoginVisits = 16;                       // of a browser, at once

// --- host: this server over HTTP (docs/http.md) --------------------------------------------------
inline constexpr std::size_t kServedBodyBytes = kMaximumLineBytes;  // a message, as on a pipe
inline constexpr std::size_t kServedBodiesBytes = 256u << 20;  // of all requests, callers unknown
inline constexpr std::size_t kServedHeadBytes = 12u << 10;     // a request's line and fields, with a
                                                               // token (kBearerBytes) among them
inline constexpr std::size_t kServedConnections = 2048;        // 1,000 streams, and as many calls
inline constexpr std::size_t kServedConnectionsOfPeer = 256;   // of one address, but loopback's
inline constexpr std::size_t kServedPendingBytes = 32u << 20;  // unsent of one response: two of the
                                                               // largest messages; then cut off
inline constexpr int kServedBacklog = 512;  // connections that wait to be accepted
inline constexpr std::chrono::milliseconds kServedRequestTime = 30s;  // for one to arrive whole
inline constexpr std::chrono::milliseconds kServedWriteTime = 30s;    // none of it taken: cut off
inline constexpr std::chrono::milliseconds kServedIdleTime = 75s;     // between two requests
inline constexpr std::size_t kServedExchanges = 2048;  // open, of one principal: all connections
inline constexpr std::size_t kServedSessions = 256;    // opened by initialize, of one principal
inline constexpr std::chrono::seconds kServedSessionIdle = 3600s;  // such a session holds little
inline constexpr std::chrono::seconds kServedEventKeepAlive =
    15s;  // proxies give up after 30 or 60
inline constexpr std::chrono::milliseconds kServedEventRetry = 1s;  // before a stream is resumed
inline constexpr std::size_t kMeteredUpstreams = 64;  // that /metrics tells apart, by name
inline constexpr std::size_t kServedReplayEvents = 512;      // kept of a session, to be resumed …
inline constexpr std::size_t kServedReplayBytes = 2u << 20;  // … of requests, and of all others

// --- host: who may come in over HTTP (docs/http-security.md)
// --------------------------------------
inline constexpr std::size_t kHostNameBytes = 262;     // a name of DNS, with brackets and a port
inline constexpr std::size_t kBearerBytes = 8u << 10;  // of an access token; signed ones have 1 KB
inline constexpr std::size_t kCallerNameBytes = 64;    // of a token of ours
inline constexpr std::size_t kSubjectBytes = 256;      // of a signed token: OpenID allows 255
inline constexpr std::size_t kAccessTokens = 1024;     // in the file of tokens; each is compared
inline constexpr std::size_t kTokenFileBytes = 4u << 20;  // of those, with all their scopes
inline constexpr std::size_t kAccessScopes = 64;          // of one token
inline constexpr std::size_t kAccessScopeBytes = 128;
inline constexpr std::size_t kIssuerKeys = 64;                 // that an authorization server has
inline constexpr std::size_t kKeyNumberBytes = 1368;           // base64url of 8,192 bits
inline constexpr std::chrono::milliseconds kKeysFresh = 600s;  // then they are fetched anew, …
inline constexpr std::chrono::milliseconds kKeysKept = 3600s;  // … and used for so long if not
inline constexpr std::chrono::milliseconds kKeysPause = 10s;   // between two fetches
inline constexpr std::size_t kWaitingForKeys = 256;            // requests; others are told so
inline constexpr std::size_t kRememberedAccess = 4096;         // signed tokens found good …
inline constexpr std::chrono::seconds kRememberedAccessFor = 60s;  // … so recently
inline constexpr std::chrono::seconds kClockLeeway = 30s;  // between an issuer's clock and ours
inline constexpr double kServedRequestsPerSecond = 2000;  // option --rate-limit; of a principal …
inline constexpr double kBurstSeconds = 2;                // … and so many seconds' worth at once
inline constexpr std::size_t kRatedPrincipals = 4096;
inline constexpr double kRefusalsPerSecond = 10;  // of tokens, from one address …
inline constexpr double kRefusalsAtOnce = 50;     // … after a pause
inline constexpr std::size_t kRatedPeers = 16'384;

// --- host: looking at code -----------------------------------------------------------------------
inline constexpr std::chrono::milliseconds kQualityDeadline = 300s;  // of ruff, of bandit
inline constexpr std::size_t kReportBytes = 8u << 20;                // of what one of them reports
inline constexpr std::size_t kReportMembers = 8192;                  // files of one report
inline constexpr std::size_t kReportValues = 1u << 20;
inline constexpr std::size_t kMaximumFindings = 1000;    // of one answer
inline constexpr std::size_t kListedEnvironments = 100;  // the most recently used ones

}  // namespace pyember::limits
