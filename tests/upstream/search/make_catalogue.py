"""Makes imagined_tools.json: tools as servers of well-known services have them.

They stand beside real_tools.json in the catalogue that search is judged on: names, descriptions
and input schemas as 15 published servers under the MIT and Apache licences answer them to
tools/list (Notion's schemas shortened). Run it after a change: `python make_catalogue.py`.
search_queries.json was written before anything ranked tools, and isn't tuned to what does.

One server a block: `@name style words` (style: snake, kebab, camel, dotted, pascal; a prefix before '+'), its
description, then `entity: operations` (create get update delete list search, by their first
letters) and `words | description | parameters` for what is no such operation. A parameter ends in
`!` when it is required and names its type after ':'.
"""

import json
import pathlib
import re

OPERATIONS = {
    "c": ("create", 0),
    "g": ("get", 1),
    "u": ("update", 2),
    "d": ("delete", 3),
    "l": ("list", 4),
    "s": ("search", 5),
}
# How servers of different makers say the same.
WORDINGS = [
    [
        "Create a new {e}",
        "Get details of a specific {e}",
        "Update an existing {e}",
        "Delete a {e}",
        "List {es}",
        "Search for {es}",
    ],
    [
        "Creates {a} {e} and returns it with its identifier.",
        "Retrieves {a} {e} by its ID.",
        "Modifies the fields of {a} {e}. Fields that are not given stay as they are.",
        "Permanently removes {a} {e}. This cannot be undone.",
        "Returns all {es}, newest first, with pagination.",
        "Finds {es} that match a query.",
    ],
    [
        "Use this tool to add {a} {e}.",
        "Use this tool to read one {e}, including its metadata.",
        "Use this tool to edit {a} {e}.",
        "Use this tool to remove {a} {e}.",
        "Use this tool to see which {es} exist.",
        "Use this tool to look for {es} by text or attributes.",
    ],
]

SPECIFICATION = """
@jira jira+snake Issues and sprints of Atlassian Jira
issue: cguds
project: gl
sprint: cgul
board: gl
version: cl
comment: cl
worklog: cl
transition issue | Move an issue to another status of its workflow | issue_key:string! transition_id:string!
get transitions | Get the status transitions that are available for an issue | issue_key:string!
assign issue | Assign an issue to a user, or to nobody | issue_key:string! account_id:string
link issues | Create a link between two issues, such as blocks or duplicates | inward_issue:string! outward_issue:string! type:string!
add watcher | Make a user follow an issue | issue_key:string! account_id:string!
upload attachment | Attach a file to an issue | issue_key:string! file_path:string!
get sprint report | Burndown and velocity of a finished sprint | sprint_id:integer!
add issues to sprint | Move issues from the backlog into a sprint | sprint_id:integer! issue_keys:array!
get user profile | Look up a Jira account by e-mail or account ID | user:string!

@confluence camel Pages of an Atlassian Confluence wiki
page: cgudls
space: cgl
comment: cdl
label: cdl
blog post: cgl
get page children | Lists the child pages of a page | pageId:string!
get page history | Versions of a page, with authors | pageId:string!
restore page version | Puts an older version of a page back | pageId:string! version:integer!
move page | Moves a page below another parent | pageId:string! parentId:string!
export page as pdf | Renders a page as a PDF document | pageId:string!
upload attachment | Adds a file to a page | pageId:string! path:string!
list attachments | Files of a page | pageId:string!
search with cql | Runs a query in Confluence Query Language | cql:string!

@linear snake Linear issues, projects and cycles
issue: cgudls
project: cgul
comment: cul
cycle: gl
label: cl
team: gl
user: gl
document: cgul
milestone: cl
archive issue | Hide an issue without deleting it | issueId:string!
list my issues | Issues that are assigned to the authenticated user | limit:integer
list issue statuses | Workflow states of a team | teamId:string!
create issue relation | Relate two issues: blocks, duplicate of, related to | issueId:string! relatedIssueId:string! type:string!
get project update | Read the latest status update of a project | projectId:string!

@asana asana+snake Tasks and projects in Asana
task: cguds
project: cgul
section: cl
tag: cl
goal: cgul
portfolio: gl
workspace: l
create subtask | Create a task below another one | parent:string! name:string!
add dependency | Make a task depend on another task | task_id:string! depends_on:string!
set assignee | Give a task to somebody | task_id:string! assignee:string!
complete task | Mark a task as done | task_id:string!
add followers | Add collaborators to a task | task_id:string! followers:array!
get task stories | Comments and activity of a task | task_id:string!
create task story | Write a comment on a task | task_id:string! text:string!
get status update | Read a project's status update | status_gid:string!
typeahead | Quick search over names of tasks, projects, users and tags | query:string! resource_type:string

@trello camel Boards and cards of Trello
board: cgul
list: cul
card: cgud
label: cdl
checklist: cdl
move card | Moves a card to another list | cardId:string! listId:string!
archive card | Closes a card | cardId:string!
add card member | Puts a member on a card | cardId:string! memberId:string!
add comment to card | Writes a comment below a card | cardId:string! text:string!
get my cards | Cards of the current user on all boards |
add attachment to card | Attaches a URL or file | cardId:string! url:string!
set due date | Sets when a card is due | cardId:string! due:string!
check item | Ticks an item of a checklist | cardId:string! itemId:string!
get recent activity | What happened on a board lately | boardId:string! limit:integer

@todoist todoist+kebab Personal to-do lists
task: cgudl
project: cgudl
section: cdl
label: cudl
comment: cgudl
complete task | Mark a to-do as finished | task_id:string!
reopen task | Make a finished to-do active again | task_id:string!
get productivity stats | Karma, streaks and completed tasks per day |
quick add | Create a to-do from a natural language sentence such as "pay rent tomorrow 9am" | text:string!

@google-calendar snake Events of Google Calendar
event: cguds
calendar: cgudl
list events | List the events of a calendar between two times | calendar_id:string! time_min:string time_max:string
list colors | Colours that events can have |
get freebusy | Query when people are busy or free in a time range, to find a slot for a meeting | time_min:string! time_max:string! items:array!
respond to event | Accept, decline or tentatively accept an invitation | event_id:string! response:string!
quick add event | Create an event from a sentence | text:string!
move event | Move an event to another calendar | event_id:string! destination:string!
list event instances | Occurrences of a recurring event | event_id:string!
add attendees | Invite guests to an event | event_id:string! emails:array!
list settings | Settings of the user, such as time zone |
get current time | Current time in the time zone of the calendar | time_zone:string

@gmail gmail+snake Mail in Gmail
draft: cgudl
label: cgudl
filter: cgdl
send email | Send an e-mail to one or more recipients | to:array! subject:string! body:string! cc:array
reply to email | Answer a message in its thread | message_id:string! body:string!
forward email | Send a message on to other people | message_id:string! to:array!
read email | Get the content of a message by its ID | message_id:string!
search emails | Search messages with Gmail's query syntax | query:string! max_results:integer
delete email | Permanently delete a message | message_id:string!
trash email | Move a message to the trash | message_id:string!
modify email | Add or remove labels of a message, for example to archive it or mark it as read | message_id:string! add_labels:array remove_labels:array
batch modify emails | Change the labels of many messages at once | message_ids:array! add_labels:array remove_labels:array
download attachment | Save a file that came with a message | message_id:string! attachment_id:string! path:string
list threads | List conversations | query:string
get thread | Read a whole conversation | thread_id:string!
set vacation responder | Turn the out-of-office reply on or off | enabled:boolean! message:string
send draft | Send a draft that was saved before | draft_id:string!

@google-drive camel Files in Google Drive
file: cgud
folder: c
permission: cdl
revision: gl
comment: cl
search files | Finds files by name or full text | query:string! pageSize:integer
list folder | Lists what is in a folder | folderId:string!
upload file | Uploads a local file | path:string! parentId:string
download file | Fetches the content of a file | fileId:string!
export google doc | Converts a Google Doc to PDF, Word or plain text | fileId:string! mimeType:string!
copy file | Duplicates a file | fileId:string! name:string
move file | Moves a file to another folder | fileId:string! folderId:string!
rename file | Gives a file another name | fileId:string! name:string!
share file | Gives a person or a domain access to a file | fileId:string! email:string! role:string!
empty trash | Deletes everything in the trash forever |
get storage quota | How much space is used and left |

@google-sheets snake Spreadsheets of Google Sheets
spreadsheet: cgl
sheet: cdl
chart: cdl
read range | Read the values of a range of cells | spreadsheet_id:string! range:string!
write range | Write values into a range of cells | spreadsheet_id:string! range:string! values:array!
append rows | Add rows at the end of a table | spreadsheet_id:string! rows:array!
clear range | Remove the values of a range | spreadsheet_id:string! range:string!
batch update cells | Write several ranges in one request | spreadsheet_id:string! updates:array!
format cells | Set colours, number formats and borders | spreadsheet_id:string! range:string! format:object!
sort range | Sort the rows of a range by a column | spreadsheet_id:string! range:string! column:integer!
insert rows | Insert empty rows | spreadsheet_id:string! sheet_id:integer! count:integer!
delete rows | Remove rows | spreadsheet_id:string! start:integer! end:integer!
find and replace | Replace text in all cells | spreadsheet_id:string! find:string! replacement:string!
copy sheet | Copy a sheet into another spreadsheet | spreadsheet_id:string! sheet_id:integer! destination:string!
create pivot table | Summarise data in a pivot table | spreadsheet_id:string! source:string!
rename sheet | Change the name of a tab | spreadsheet_id:string! sheet_id:integer! title:string!

@outlook kebab Microsoft 365: mail, calendar, contacts and OneDrive
mail message: gdls
mail folder: cdl
calendar event: cgudl
contact: cgudl
todo task: cgudl
send mail | Sends an e-mail message | to:array! subject:string! body:string!
reply mail | Replies to an e-mail message | messageId:string! body:string!
move mail message | Moves a message into another folder | messageId:string! folderId:string!
find meeting times | Suggests times at which all attendees can meet | attendees:array! duration:string!
list drive items | Lists files of OneDrive | path:string
download drive item | Downloads a file from OneDrive | itemId:string!
upload drive item | Uploads a file to OneDrive | path:string! content:string!
get excel range | Reads cells of an Excel workbook | itemId:string! range:string!
list planner tasks | Lists tasks of a plan | planId:string!
get me | Profile of the signed-in user |

@teams pascal Microsoft Teams
channel: cgdl
team: cgl
chat: cgl
member: cdl
meeting: cgl
send channel message | Posts a message to a channel | teamId:string! channelId:string! content:string!
send chat message | Sends a direct or group message | chatId:string! content:string!
list channel messages | Reads the latest messages of a channel | teamId:string! channelId:string!
reply to message | Replies in the thread of a message | messageId:string! content:string!
get presence | Whether somebody is available, busy or away | userId:string!
get meeting transcript | Text of what was said in a meeting | meetingId:string!

@discord discord+snake A Discord bot
channel: cgudl
role: cudl
webhook: cudl
invite: cdl
forum post: cgdl
send message | Send a message to a channel | channel_id:string! message:string!
read messages | Read the last messages of a channel | channel_id:string! limit:integer
edit message | Change a message that the bot wrote | message_id:string! content:string!
delete message | Delete a message | message_id:string!
add reaction | React to a message with an emoji | message_id:string! emoji:string!
remove reaction | Take a reaction away | message_id:string! emoji:string!
pin message | Pin a message to its channel | message_id:string!
kick member | Remove a member from the server | user_id:string!
ban member | Ban a user from the server | user_id:string! reason:string
timeout member | Mute a member for some time | user_id:string! minutes:integer!
get server info | Members, channels and settings of the server | guild_id:string!
send private message | Send a direct message to a user | user_id:string! message:string!

@telegram camel Telegram bots
chat: gl
contact: cdl
message: ds
send message | Sends a text message to a chat | chatId:string! text:string!
send photo | Sends a picture | chatId:string! photo:string! caption:string
send document | Sends a file | chatId:string! document:string!
send voice | Sends a voice note | chatId:string! voice:string!
send location | Sends a point on the map | chatId:string! latitude:number! longitude:number!
create poll | Starts a poll with options | chatId:string! question:string! options:array!
stop poll | Closes a poll | chatId:string! messageId:integer!
get chat history | Reads earlier messages of a chat | chatId:string! limit:integer
pin chat message | Pins a message | chatId:string! messageId:integer!
forward message | Passes a message on to another chat | fromChatId:string! toChatId:string! messageId:integer!
edit message text | Changes a sent message | chatId:string! messageId:integer! text:string!
mute chat | Turns notifications of a chat off | chatId:string!

@twilio snake Phone calls and text messages through Twilio
phone number: gudl
message: gdl
call: gul
recording: gdl
conversation: cgudl
verify service: cgl
send sms | Send a text message to a mobile phone | to:string! body:string! from:string
send whatsapp message | Send a message over WhatsApp | to:string! body:string!
make call | Call a phone number and play a message | to:string! twiml:string!
lookup phone number | Find out the carrier and type of a phone number | phone_number:string!
start verification | Send a one-time passcode | to:string! channel:string!
check verification | Check the passcode that a user entered | to:string! code:string!
buy phone number | Purchase a phone number | phone_number:string!
get account balance | Credit that is left on the account |
get usage records | What was used and what it cost, by category | start_date:string end_date:string

@postgres pg+snake PostgreSQL databases
table: gl
schema: l
index: cdl
view: gl
function: gl
extension: l
role: cdl
execute query | Run a read-only SQL query | sql:string! parameters:array
execute statement | Run an SQL statement that changes data: INSERT, UPDATE, DELETE | sql:string!
explain query | Show the execution plan of a query, with costs | sql:string! analyze:boolean
describe table | Columns, types, keys and constraints of a table | table:string!
get slow queries | Statements that took the most time, from pg_stat_statements | limit:integer
get locks | Show sessions that wait for locks, and who blocks them |
kill session | Terminate a backend process | pid:integer!
vacuum table | Clean up dead rows and update statistics | table:string!
get database size | Disk space of databases and tables |
suggest indexes | Recommend indexes for a workload | queries:array!
get replication status | Lag of the replicas |
backup database | Dump a database to a file | path:string!

@mongodb mongodb+kebab MongoDB databases and Atlas clusters
collection: cdl
database: dl
index: cdl
find | Runs a find query against a collection | collection:string! filter:object limit:integer
aggregate | Runs an aggregation pipeline against a collection | collection:string! pipeline:array!
insert many | Inserts documents into a collection | collection:string! documents:array!
update many | Updates all documents that match a filter | collection:string! filter:object! update:object!
delete many | Deletes all documents that match a filter | collection:string! filter:object!
count | Number of documents that match a filter | collection:string! query:object
collection schema | Describes the fields of a collection from a sample of documents | collection:string!
collection storage size | Size of a collection in bytes | collection:string!
explain | Shows how a query would be executed | collection:string! method:string!
rename collection | Gives a collection another name | collection:string! new_name:string!
export | Writes the result of a query to an EJSON file | collection:string! query:object
mongodb logs | Latest log lines of mongod | limit:integer
atlas list clusters | Clusters of an Atlas project | projectId:string!
atlas create free cluster | Starts a free Atlas cluster | projectId:string! name:string!
atlas create db user | Adds a database user to a project | projectId:string! username:string!
atlas inspect access list | IP addresses that may connect | projectId:string!
connect | Connects to a MongoDB instance | connectionString:string!

@redis snake A Redis key-value store
get | Get the value of a string key | key:string!
set | Set a string key, with an optional expiry in seconds | key:string! value:string! expiration:integer
delete | Remove a key | key:string!
expire | Set a time to live on a key | key:string! expire_seconds:integer!
rename | Rename a key | old_key:string! new_key:string!
type | What kind of value a key holds | key:string!
scan keys | Iterate over keys that match a pattern | pattern:string count:integer
hset | Set a field of a hash | name:string! key:string! value:string!
hget | Get a field of a hash | name:string! key:string!
hgetall | All fields and values of a hash | name:string!
hdel | Remove a field of a hash | name:string! key:string!
lpush | Push a value onto the left of a list | name:string! value:string!
rpush | Push a value onto the right of a list | name:string! value:string!
lpop | Take the first element off a list | name:string!
lrange | Elements of a list between two positions | name:string! start:integer! stop:integer!
sadd | Add a member to a set | name:string! value:string!
smembers | All members of a set | name:string!
zadd | Add a member with a score to a sorted set | key:string! score:number! member:string!
zrange | Members of a sorted set by rank | key:string! start:integer! end:integer!
publish | Publish a message to a channel | channel:string! message:string!
subscribe | Subscribe to a channel | channel:string!
xadd | Append an entry to a stream | key:string! fields:object!
json set | Store a JSON document at a path | name:string! path:string! value:object!
json get | Read a JSON document at a path | name:string! path:string
vector search | Nearest neighbours of an embedding in a vector index | query_vector:array! index_name:string k:integer
dbsize | How many keys there are |
info | Statistics and memory of the server | section:string
client list | Connected clients |

@elasticsearch es+dotted Elasticsearch indices and documents
index: cgdl
document: cgud
alias: cdl
template: cgdl
pipeline: cgdl
snapshot: cgdl
search | Runs a Query DSL search on an index | index:string! body:object!
esql | Runs an ES|QL query | query:string!
get mappings | Field mappings of an index | index:string!
get shards | State of the shards | index:string
cluster health | Whether the cluster is green, yellow or red |
cat nodes | Nodes with CPU, heap and disk |
reindex | Copies documents from one index to another | source:string! destination:string!
count documents | Number of documents of an index | index:string!
analyze text | Shows which tokens an analyzer makes of a text | text:string! analyzer:string

@bigquery camel Google BigQuery data warehouse
dataset: cgdl
table: cgdl
job: gl
routine: gl
run query | Runs a SQL query and returns rows | sql:string! maximumBytesBilled:integer
dry run query | Estimates how many bytes a query would read and what it costs | sql:string!
load table from csv | Loads a CSV file of Cloud Storage into a table | uri:string! tableId:string!
export table | Writes a table to Cloud Storage | tableId:string! uri:string!
get table schema | Columns and types of a table | tableId:string!
preview table | First rows of a table | tableId:string! limit:integer
cancel job | Stops a job that is running | jobId:string!
create scheduled query | Runs a query again and again at a time of the day | sql:string! schedule:string!
forecast time series | Predicts future values of a column | tableId:string! timestampColumn:string! dataColumn:string!

@kubernetes kubectl+snake Kubernetes clusters
deployment: cgudl
service: cgdl
config map: cgudl
secret: cgdl
namespace: cgdl
cron job: cgudl
ingress: cgdl
list pods | List pods, with status and restarts | namespace:string label_selector:string
describe pod | Events, conditions and containers of a pod | name:string! namespace:string
delete pod | Delete a pod, so that it is started anew | name:string! namespace:string
get pod logs | Fetch the logs of a container | name:string! namespace:string tail:integer previous:boolean
exec in pod | Run a command inside a container | name:string! command:array!
scale deployment | Change the number of replicas | name:string! replicas:integer!
rollout restart | Restart the pods of a deployment one after another | name:string!
rollout undo | Roll a deployment back to its previous revision | name:string!
apply manifest | Apply a YAML manifest | manifest:string!
port forward | Forward a local port to a pod | pod:string! local_port:integer! pod_port:integer!
list nodes | List the nodes of the cluster |
drain node | Evict all pods from a node before maintenance | node:string!
cordon node | Mark a node as unschedulable | node:string!
top pods | CPU and memory use of pods | namespace:string
list events | Recent events of a namespace | namespace:string
helm install | Install a Helm chart | chart:string! release:string!
helm uninstall | Remove a Helm release | release:string!
switch context | Use another cluster of the kubeconfig | context:string!

@docker kebab Docker engine
container: cgdl
image: gdl
network: cgdl
volume: cgdl
run container | Creates and starts a container from an image | image:string! command:array ports:object
start container | Starts a container that is stopped | id:string!
stop container | Stops a running container | id:string! timeout:integer
restart container | Restarts a container | id:string!
container logs | Output of a container | id:string! tail:integer
exec container | Runs a command in a running container | id:string! command:array!
container stats | CPU, memory and network use of a container | id:string!
pull image | Downloads an image from a registry | image:string!
push image | Uploads an image to a registry | image:string!
build image | Builds an image from a Dockerfile | context:string! tag:string!
prune system | Removes what is unused, to free disk space | volumes:boolean
compose up | Starts the services of a compose file | file:string!
compose down | Stops and removes the services of a compose file | file:string!
scan image | Looks for known vulnerabilities in an image | image:string!

@aws pascal Amazon Web Services
bucket: cgdl
object: gdl
instance: gl
lambda function: cgudl
queue: cgdl
topic: cdl
alarm: cgdl
stack: cgudl
role: cgl
put object | Uploads data to an S3 bucket | Bucket:string! Key:string! Body:string!
generate presigned url | Makes a link that gives temporary access to an S3 object | Bucket:string! Key:string! ExpiresIn:integer
run instances | Launches EC2 virtual machines | ImageId:string! InstanceType:string! Count:integer
stop instances | Shuts EC2 virtual machines down | InstanceIds:array!
terminate instances | Destroys EC2 virtual machines | InstanceIds:array!
invoke lambda | Calls a Lambda function and returns what it answers | FunctionName:string! Payload:object
send queue message | Puts a message into an SQS queue | QueueUrl:string! MessageBody:string!
receive queue messages | Takes messages from an SQS queue | QueueUrl:string! MaxNumberOfMessages:integer
publish to topic | Publishes an SNS notification | TopicArn:string! Message:string!
query logs | Runs a CloudWatch Logs Insights query | LogGroup:string! Query:string!
get metric data | CloudWatch metrics over time | Namespace:string! MetricName:string!
get cost and usage | What was spent, by service and day | Start:string! End:string!
query dynamodb table | Reads items of a DynamoDB table by key | TableName:string! Key:object!
put dynamodb item | Writes an item to a DynamoDB table | TableName:string! Item:object!
get secret value | Reads a secret of Secrets Manager | SecretId:string!

@cloudflare snake Cloudflare DNS, Workers and storage
zone: gl
dns record: cgudl
worker: gdl
kv namespace: cdl
r2 bucket: cgdl
d1 database: cgdl
firewall rule: cdl
page project: gl
purge cache | Remove files from the cache of a zone | zone_id:string! urls:array
deploy worker | Upload a Worker script | name:string! script:string!
query d1 database | Run SQL on a D1 database | database_id:string! sql:string!
get kv value | Read a key of a KV namespace | namespace_id:string! key:string!
put kv value | Write a key of a KV namespace | namespace_id:string! key:string! value:string!
get zone analytics | Requests, bandwidth and threats of a zone | zone_id:string!
tail worker logs | Follow the logs of a Worker | name:string!
set ssl mode | Set how connections to the origin are encrypted | zone_id:string! mode:string!
enable under attack mode | Challenge all visitors of a zone during a DDoS attack | zone_id:string!

@sentry snake Errors and performance in Sentry
project: cgul
team: cl
release: gl
organization: l
dsn: cl
alert rule: cgdl
search issues | Find grouped errors with a query in natural language | query:string! project:string
get issue details | Stack trace, tags and frequency of an error | issue_id:string!
update issue | Resolve, ignore or assign an error | issue_id:string! status:string
search events | Find single events, spans and logs, or aggregate them | query:string!
get trace details | Spans of a distributed trace | trace_id:string!
get event attachment | Download a file that was sent with an event | event_id:string!
analyze issue with seer | Ask the AI agent for the root cause of an error and a fix | issue_id:string!
get profile | Flame graph of a transaction | transaction:string!
get replay | What the user did before an error happened | replay_id:string!
whoami | The authenticated user |

@datadog camel Monitoring with Datadog
monitor: cgudl
dashboard: cgudl
incident: cgul
downtime: cdl
slo: cgl
synthetic test: cgl
query metrics | Values of a metric over time | query:string! from:integer! to:integer!
search logs | Log lines that match a query | query:string! from:string to:string
list hosts | Hosts with their tags and metrics | filter:string
mute host | Silences the alerts of a host | hostName:string! end:integer
search traces | Spans of APM that match a query | query:string!
get service map | Which services call each other | env:string!
submit event | Posts an event to the event stream | title:string! text:string!
list active alerts | Monitors that are alerting now |

@grafana snake Dashboards and data sources of Grafana
dashboard: gus
datasource: gl
alert rule: cgudl
folder: cs
annotation: cul
contact point: l
incident: cgl
query prometheus | Run a PromQL query, instant or over a range | datasource_uid:string! expr:string! start:string end:string
list prometheus metric names | Names of metrics that match an expression | datasource_uid:string! regex:string
list prometheus label values | Values of a label | datasource_uid:string! label_name:string!
query loki logs | Run a LogQL query | datasource_uid:string! logql:string! limit:integer
find error pattern logs | Look for patterns of errors in logs that are more frequent than usual | name:string! labels:object!
get panel image | Render a panel of a dashboard as PNG | dashboard_uid:string! panel_id:integer!
generate deeplink | Make a URL that opens a dashboard, panel or explore query | resource_type:string!
get current oncall users | Who is on call in a schedule now | schedule_id:string!
fetch pyroscope profile | Get a CPU or memory profile | datasource_uid:string! profile_type:string!

@pagerduty snake On-call and incidents of PagerDuty
incident: cgl
service: cgul
schedule: cgul
escalation policy: gl
team: cgudl
user: gl
acknowledge incident | Tell that somebody looks at an incident | incident_id:string!
resolve incident | Close an incident that is over | incident_id:string!
add note to incident | Write down what was found | incident_id:string! note:string!
list oncalls | Who is on call, by escalation policy and time | since:string until:string
create schedule override | Let somebody take a shift of an on-call schedule | schedule_id:string! user_id:string! start:string! end:string!
get past incidents | Earlier incidents that look like this one | incident_id:string!
trigger alert | Send an event that pages whoever is on call | routing_key:string! summary:string! severity:string!
snooze incident | Silence an incident for a while | incident_id:string! seconds:integer!

@stripe snake Payments with Stripe
customer: cgudls
product: cgul
price: cgl
invoice: cgdl
subscription: cgul
coupon: cdl
payment intent: cgls
dispute: gul
create refund | Give a customer the money of a payment back | payment_intent:string! amount:integer reason:string
create payment link | Make a link to a page on which a product can be paid | price:string! quantity:integer!
create invoice item | Add a line to a draft of an invoice | customer:string! price:string!
finalize invoice | Make a draft final and ready to be sent | invoice:string!
cancel subscription | End a subscription | subscription:string! at_period_end:boolean
retrieve balance | Money that is available and pending |
list payouts | Transfers to the bank account | limit:integer
search stripe documentation | Answer questions about the API from its documentation | question:string!
get stripe account info | Name, country and capabilities of the account |

@shopify kebab A Shopify shop
product: cgudls
order: gudl
customer: cgul
collection: cgudl
discount code: cgdl
gift card: cgl
fulfill order | Marks the items of an order as shipped, with a tracking number | orderId:string! trackingNumber:string
cancel order | Cancels an order and refunds it when asked to | orderId:string! refund:boolean
adjust inventory | Changes how many pieces of a variant are in stock | inventoryItemId:string! delta:integer!
get inventory levels | Stock at each location | inventoryItemId:string!
upload product image | Adds a picture to a product | productId:string! url:string!
get sales report | Revenue by day, product or channel | since:string! until:string!
list abandoned checkouts | Carts that customers left without paying | limit:integer
update theme asset | Changes a template file of the theme | themeId:string! key:string! value:string!
set shipping rate | Sets what a delivery to a zone costs | zoneId:string! price:number!

@hubspot hubspot+kebab The HubSpot CRM
contact: cguds
company: cguds
deal: cgudl
ticket: cgul
note: cgl
task: cgul
call: cgl
marketing email: cgl
list: cgl
batch create contacts | Creates up to 100 contacts in one request | contacts:array!
merge contacts | Makes one contact of two duplicates | primaryId:string! secondaryId:string!
associate objects | Links two records, for example a contact with a company | fromId:string! toId:string! type:string!
get pipeline stages | Stages that a deal goes through | pipelineId:string!
list workflows | Automations of the account |
get recent engagements | Calls, mails and meetings with a contact or company | objectId:string!
enroll contact in workflow | Starts an automation for a contact | contactId:string! workflowId:string!

@salesforce pascal The Salesforce CRM
record: cgud
opportunity: cgul
lead: cgul
account: cgul
campaign: cgl
report: gl
run soql query | Runs a SOQL query | query:string!
run sosl search | Full-text search over objects with SOSL | search:string!
describe object | Fields and relationships of an object type | objectName:string!
convert lead | Makes an account, contact and opportunity of a lead | leadId:string!
execute apex | Runs anonymous Apex code | code:string!
upsert records | Inserts or updates records by an external ID | objectName:string! records:array!
run report | Runs a report and returns its rows | reportId:string!
manage custom field | Creates or changes a custom field of an object | objectName:string! fieldName:string!
assign permission set | Gives a user a permission set | userId:string! permissionSet:string!

@zendesk zendesk+snake Customer support with Zendesk
ticket: cguls
user: cgus
organization: cgul
macro: gl
view: gl
group: cl
trigger: cgudl
help center article: cguls
add ticket comment | Reply to the customer, or write an internal note | ticket_id:integer! body:string! public:boolean
merge tickets | Merge tickets into another one | source_ids:array! target_id:integer!
assign ticket | Give a ticket to an agent or group | ticket_id:integer! assignee_id:integer
get ticket metrics | Times to first reply and resolution | ticket_id:integer!
get satisfaction ratings | What customers said about the support they got | start_time:integer
apply macro | Apply a macro to a ticket | ticket_id:integer! macro_id:integer!
suspend user | Stop a user from signing in | user_id:integer!

@figma snake Designs in Figma
file: gl
comment: cdl
component: gl
style: gl
variable: cul
webhook: cdl
version: gl
get node | Get one frame or layer of a file as JSON | file_key:string! node_id:string!
get design context | Code and layout of the current selection for implementing a design | node_id:string
get screenshot | Take a picture of the current selection | node_id:string
export images | Render layers as PNG, SVG or PDF | file_key:string! node_ids:array! format:string
get variable defs | Colours, spacings and typography used in the selection | node_id:string
get code connect map | Which components of code belong to which components of the design | node_id:string
create design system rules | Write rules that help agents to follow the design system |
list team projects | Projects of a team | team_id:string!

@spotify camel Music on Spotify
playlist: cgul
album: gl
artist: gs
track: gs
podcast episode: gs
play music | Starts or resumes playback of a track, album or playlist | uri:string deviceId:string
pause playback | Pauses what is playing |
skip to next | Jumps to the next track |
skip to previous | Jumps to the track before |
set volume | Sets how loud a device plays, in percent | volumePercent:integer!
add tracks to playlist | Adds tracks to a playlist | playlistId:string! trackIds:array!
remove tracks from playlist | Takes tracks out of a playlist | playlistId:string! trackIds:array!
get now playing | What is playing now |
get recently played | Tracks that were played lately | limit:integer
add to queue | Puts a track behind the current one | uri:string!
get available devices | Speakers, phones and computers that can play |
get recommendations | Tracks that go with some artists, tracks or genres | seedArtists:array seedGenres:array
save albums | Puts albums into the library | albumIds:array!
get top items | Favourite artists or tracks of the user | type:string!

@home-assistant ha+dotted The smart home
automation: cgudl
scene: cgdl
entity: gls
area: cl
device: gl
turn on | Turns lights, switches or other devices on | entity_id:string! brightness:integer
turn off | Turns lights, switches or other devices off | entity_id:string!
set temperature | Sets the target temperature of a thermostat | entity_id:string! temperature:number!
open cover | Opens blinds, curtains or a garage door | entity_id:string!
close cover | Closes blinds, curtains or a garage door | entity_id:string!
lock door | Locks a smart lock | entity_id:string!
unlock door | Unlocks a smart lock | entity_id:string! code:string
get history | States of an entity over time | entity_id:string! start:string
call service | Calls any service | domain:string! service:string! data:object
activate scene | Brings a scene about | entity_id:string!
start vacuum | Sends the robot cleaner off | entity_id:string!
get camera snapshot | A picture of a camera | entity_id:string!
send notification | Shows a notification on a phone | message:string! target:string
get error log | Latest lines of the log |

@weather snake Weather forecasts and observations
get current weather | Temperature, wind and humidity at a place now | location:string! units:string
get forecast | Weather of the coming days | location:string! days:integer
get hourly forecast | Weather hour by hour | location:string! hours:integer
get historical weather | What the weather was on a past date | location:string! date:string!
get weather alerts | Warnings of storms, floods and heat | area:string!
get air quality | Pollution index and particles | location:string!
get uv index | How strong the sun is | location:string!
get sunrise sunset | When the sun rises and sets | location:string! date:string
get tides | High and low water at a coast | station:string!
get pollen count | Pollen in the air, for people with allergies | location:string!

@arxiv camel Scientific papers
search papers | Finds papers by words, author or category | query:string! maxResults:integer
get paper | Abstract and metadata of a paper | paperId:string!
download paper | Fetches the PDF of a paper | paperId:string!
read paper | Text of a paper that was downloaded | paperId:string!
list papers | Papers that were downloaded |
get citations | Papers that cite this one | paperId:string!
get references | Papers that this one cites | paperId:string!
list categories | Subjects of the archive |
get author | Publications of an author | authorId:string!
export bibtex | Citation of a paper for LaTeX | paperId:string!
find similar papers | Papers about the same | paperId:string!

@terraform camel Infrastructure as code with Terraform
workspace: cgudl
variable: cudl
module: gs
provider: gs
policy: gs
state version: gl
plan | Shows what would change | directory:string!
apply | Makes the changes of a plan | directory:string! autoApprove:boolean
destroy | Removes all resources | directory:string!
validate | Checks the configuration for mistakes | directory:string!
format | Brings configuration files into the canonical format | directory:string!
import resource | Takes a resource that exists into the state | address:string! id:string!
show outputs | Values that a configuration exports | directory:string!
detect drift | Finds resources that were changed by hand | directory:string!
get run logs | Output of a run in Terraform Cloud | runId:string!
create run | Starts a run in Terraform Cloud | workspaceId:string! message:string

@jenkins kebab Builds with Jenkins
job: cgudl
build: gl
node: gl
credential: cl
plugin: l
trigger build | Starts a build of a job, with parameters | job:string! parameters:object
stop build | Aborts a build that is running | job:string! number:integer!
get build log | Console output of a build | job:string! number:integer!
get test results | Which tests failed in a build | job:string! number:integer!
get queue | Builds that wait for an executor |
get build changes | Commits that went into a build | job:string! number:integer!
replay pipeline | Runs a pipeline again with a changed script | job:string! number:integer! script:string!
get artifacts | Files that a build made | job:string! number:integer!
take node offline | Lets a node run no further builds | node:string! message:string

@airtable snake Bases and tables of Airtable
record: cgudls
base: cl
table: cul
field: cu
comment: cl
describe table | Fields and views of a table | base_id:string! table_id:string!
upload attachment | Put a file into an attachment field | record_id:string! field_id:string! path:string!
list views | Views of a table | base_id:string! table_id:string!
batch upsert records | Create or update records by a key field | base_id:string! table_id:string! records:array!
create webhook | Be told of changes in a base | base_id:string! url:string!
sync csv | Replace the content of a table by a CSV file | table_id:string! csv:string!

@zoom kebab Meetings with Zoom
meeting: cgudl
webinar: cgudl
recording: gdl
user: gl
add meeting registrant | Registers somebody for a meeting | meetingId:string! email:string!
list meeting participants | Who took part in a meeting, and how long | meetingId:string!
get meeting summary | Summary of a meeting made by AI | meetingId:string!
get meeting transcript | What was said, as text | meetingId:string!
get poll results | Answers to the polls of a meeting | meetingId:string!
end meeting | Ends a running meeting for everybody | meetingId:string!
"""


def cased(words: list[str], style: str, prefix: str) -> str:
    words = [word.lower() for word in words]
    if style == "camel":
        return words[0] + "".join(word.capitalize() for word in words[1:])
    if style == "pascal":
        return "".join(word.capitalize() for word in words)
    separator = {"snake": "_", "kebab": "-", "dotted": "."}[style]
    if prefix and style == "snake":
        return "_".join([prefix, *words])
    return separator.join([prefix, *words] if prefix else words)


def plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def schema(parameters: str) -> dict:
    properties, required = {}, []
    for word in parameters.split():
        name, kind = word.rstrip("!").split(":")
        properties[name] = {"type": kind}
        if kind == "array":
            properties[name]["items"] = {"type": "string"}
        if word.endswith("!"):
            required.append(name)
    return {"type": "object", "properties": properties, "required": required}


def identifier(noun: str, style: str) -> str:
    words = [*noun.split(), "id"]
    return cased(words, "camel" if style in ("camel", "pascal", "dotted", "kebab") else "snake", "")


def operations(line: str, style: str, prefix: str, wording: list[str]) -> list[dict]:
    noun, letters = (part.strip() for part in line.split(":"))
    tools = []
    for letter in letters:
        verb, number = OPERATIONS[letter]
        many = letter in "ls"
        words = [verb, *(plural(noun) if many else noun).split()]
        text = wording[number].format(
            e=noun, es=plural(noun), a="an" if noun[0] in "aeiou" else "a"
        )
        fields = {
            "c": "name:string! description:string",
            "g": f"{identifier(noun, style)}:string!",
            "u": f"{identifier(noun, style)}:string! fields:object!",
            "d": f"{identifier(noun, style)}:string!",
            "l": "limit:integer cursor:string",
            "s": "query:string! limit:integer",
        }[letter]
        tools.append(
            {"name": cased(words, style, prefix), "description": text, "inputSchema": schema(fields)}
        )
    return tools


def server(block: str, number: int) -> dict:
    head, *lines = block.strip().splitlines()
    name, style, description = head.removeprefix("@").split(" ", 2)
    prefix, _, style = style.rpartition("+")
    tools = []
    for line in lines:
        if "|" not in line:
            tools += operations(line, style, prefix, WORDINGS[number % len(WORDINGS)])
            continue
        words, text, parameters = re.fullmatch(r"([^|]*) \| (.*) \|(.*)", line).groups()
        tools.append(
            {
                "name": cased(words.split(), style, prefix),
                "description": text,
                "inputSchema": schema(parameters),
            }
        )
    names = [tool["name"] for tool in tools]
    assert len(set(names)) == len(names), (name, sorted(n for n in names if names.count(n) > 1))
    return {"server": name, "description": description, "tools": tools}


def main() -> None:
    blocks = SPECIFICATION.strip().split("\n\n")
    servers = [server(block, number) for number, block in enumerate(blocks)]
    path = pathlib.Path(__file__).with_name("imagined_tools.json")
    lines = []
    for one in servers:
        tools = ",\n".join(json.dumps(tool, ensure_ascii=False) for tool in one["tools"])
        head = json.dumps({"server": one["server"], "description": one["description"]})
        lines.append(f'{head[:-1]}, "tools": [\n{tools}]}}')
    path.write_text("[\n" + ",\n".join(lines) + "]\n")
    print(len(servers), "servers,", sum(len(one["tools"]) for one in servers), "tools")


if __name__ == "__main__":
    main()
