// SPDX-License-Identifier: Apache-2.0

package rill

// #include "shim.h"
import "C"

import (
	"reflect"
	"time"
)

// What follows are the structs of rill.h, which says what each field does and what its default is:
// that of a zero. A time is a time.Duration or a time.Time, and goes without its unit in the name.

// Drive says who moves a bus: a thread of rill's, or whoever calls Bus.Poll or waits.
type Drive int32

const (
	DriveThread Drive = C.RILL_DRIVE_THREAD
	DriveHost   Drive = C.RILL_DRIVE_HOST
)

// Sync says how safe a message is before it is acknowledged.
type Sync int32

const (
	SyncDefault Sync = C.RILL_SYNC_DEFAULT
	SyncAlways  Sync = C.RILL_SYNC_ALWAYS
	SyncLazy    Sync = C.RILL_SYNC_LAZY
	SyncNever   Sync = C.RILL_SYNC_NEVER
	SyncMemory  Sync = C.RILL_SYNC_MEMORY
)

// Full says what becomes of a message for a reader whose queue is full.
type Full int32

const (
	FullDropNew    Full = C.RILL_FULL_DROP_NEW
	FullDropOld    Full = C.RILL_FULL_DROP_OLD
	FullBlock      Full = C.RILL_FULL_BLOCK
	FullDisconnect Full = C.RILL_FULL_DISCONNECT
)

// From says where a reader begins.
type From int32

const (
	FromFirst          From = C.RILL_FROM_FIRST
	FromLast           From = C.RILL_FROM_LAST
	FromLastPerSubject From = C.RILL_FROM_LAST_PER_SUBJECT
	FromNew            From = C.RILL_FROM_NEW
	FromSeq            From = C.RILL_FROM_SEQ
	FromTime           From = C.RILL_FROM_TIME
)

// AckMode says what an ack settles.
type AckMode int32

const (
	AckEach AckMode = C.RILL_ACK_EACH
	AckUpto AckMode = C.RILL_ACK_UPTO
	AckNone AckMode = C.RILL_ACK_NONE
	AckAuto AckMode = C.RILL_ACK_AUTO
)

// Keep says how long a stream keeps its messages.
type Keep int32

const (
	KeepLimits   Keep = C.RILL_KEEP_LIMITS
	KeepInterest Keep = C.RILL_KEEP_INTEREST
	KeepWork     Keep = C.RILL_KEEP_WORK
)

// Caps are what a peer can do.
type Caps uint32

const (
	CanRequest Caps = C.RILL_CAN_REQUEST
	CanStream  Caps = C.RILL_CAN_STREAM
	CanKV      Caps = C.RILL_CAN_KV
	CanObjects Caps = C.RILL_CAN_OBJECTS
)

// BatchMax is how many messages a batch takes.
const BatchMax = C.RILL_BATCH_MAX

// TTLNever is a Post.TTL of a message that no age removes.
const TTLNever = time.Duration(C.RILL_TTL_NEVER) * time.Millisecond

// TLS of a bus or of a listener: rill_tls.
type TLS struct {
	CAFile               string
	CAPEM                string `c:"ca_pem"`
	CertFile             string
	CertPEM              string
	KeyFile              string
	KeyPEM               string
	KeyPassword          string
	ServerName, Ciphers  string
	MinVersion           uint32
	Timeout              time.Duration
	First                time.Duration
	MaxHandshakes        uint32
	VerifyPeer, Insecure bool
	HandshakeFirst       bool
	VerifyAndMap         bool
	Psk, PskIdentity     string
}

// Options of a bus: rill_opts. Name and what follows it is for servers.
type Options struct {
	Drive          Drive
	SendTimeout    time.Duration
	Sync           Sync
	SyncInterval   time.Duration
	Name           string
	Domain         string
	SendBuffer     uint64 `c:"send_buffer_bytes"`
	ConnectTimeout time.Duration
	RedialMin      time.Duration
	RedialMax      time.Duration
	MaxRedials     uint32
	MaxInflight    uint32
	CallTimeout    time.Duration
	PingInterval   time.Duration
	PingMax        uint32
	NoWait         bool
	NoRedial       bool
	NoEcho         bool
	FixedServers   bool
	WSCompress     bool
	KafkaConfig    string
	TLS            *TLS
	CredsFile      string
	NkeySeed       string
	Identity       *User  // of Broker.Bus: as whom it acts
	User           string // as whom to log in, in place of the URL, as are the next two
	Password       string
	Token          string

	// OnEvent hears of connections, losses and errors, one after the other, on a goroutine of its
	// own, which may call whatever it likes.
	OnEvent func(*Event) `c:"-"`
	// Dial connects in place of rill, and returns a new wire to the address, or an error, which is
	// as a server that is not there. It must not wait.
	Dial func(address string) (*Wire, error) `c:"-"`
	// OnPanic hears of a handler that has panicked, with the value and the stack. Default: it is
	// written by the package log.
	OnPanic func(value any, stack []byte) `c:"-"`
}

// Header is one line that a message carries besides its data.
type Header struct {
	Name, Value string
}

// Post is what a message may carry besides subject and data: rill_post.
type Post struct {
	Reply         string
	Headers       []Header `c:"-"`
	MsgID         string
	ExpectLastSeq *uint64
	ExpectSubject string
	TTL           time.Duration
	Sync          Sync
	DeliverTo     string
	DeliverAt     time.Time
	Schedule      string
	ScheduleZone  string
}

// BatchOptions are rill_batch_opts.
type BatchOptions struct {
	Sync Sync
}

// Receipt says where a message was stored: rill_receipt.
type Receipt struct {
	Seq       uint64
	Duplicate bool
	Partition uint32
}

// SubOptions are rill_sub_opts. From HeadersOnly on they are for Consume and Tail.
type SubOptions struct {
	Group         string
	LimitMsgs     uint64
	PendingBytes  uint64
	PendingMsgs   uint32
	WhenFull      Full
	HeadersOnly   bool
	OriginalSpeed bool
	NoHeaders     bool
	From          From
	Filter        string
	FromSeq       uint64
	FromTime      time.Time
	Ack           AckMode
	AckWait       time.Duration
	MaxDeliveries uint32
	MaxUnacked    uint32
	Backoff       []time.Duration
	DeadLetters   string
	Inactive      time.Duration

	// OnMsg is called with each message, one after the other, on a goroutine of this subscription,
	// which may call whatever it likes. Without it Next, Read, Messages or Chan have them. A panic
	// goes to Options.OnPanic, and its message, if it is one to be acked, comes again.
	OnMsg func(*Msg) `c:"-"`
}

// At is a place in a stream: rill_at. AtSeq, AtTime and AtLast make the usual ones.
type At struct {
	From      From
	Partition uint32
	Seq       uint64
	Time      time.Time
	Filter    string
}

// AtSeq is the message of that number.
func AtSeq(seq uint64) *At { return &At{From: FromSeq, Seq: seq} }

// AtTime is the first message that was stored then or later.
func AtTime(t time.Time) *At { return &At{From: FromTime, Time: t} }

// AtLast is the last message on a subject.
func AtLast(subject string) *At { return &At{From: FromLast, Filter: subject} }

// SubInfo is rill_sub_info.
type SubInfo struct {
	PendingMsgs, PendingBytes uint64
	DroppedMsgs               uint64
	DeliveredMsgs             uint64
	UnackedMsgs               uint64
	LagMsgs                   uint64
	Lag                       time.Duration
	LagBytes                  uint64
}

// Source is a stream that another one copies: rill_source.
type Source struct {
	Stream   string
	Filter   string
	To       string
	FromSeq  uint64
	FromTime time.Time
}

// StreamOptions are rill_stream_opts.
type StreamOptions struct {
	Subjects          string
	Description       string
	MaxMsgs           uint64
	MaxBytes          uint64
	MaxMsgsPerSubject uint64
	MaxAge            time.Duration
	MaxMsgBytes       uint32
	MaxGroups         uint32
	Keep              Keep
	DedupeWindow      time.Duration
	FirstSeq          uint64
	InMemory          bool
	RejectWhenFull    bool
	RejectPerSubject  bool
	DenyErase         bool
	DenyPurge         bool
	AllowTTL          bool
	AllowSchedules    bool
	RepublishHeaders  bool
	Compact           bool
	DedupeStrictly    bool
	Replicas          uint8
	MarkerTTL         time.Duration
	Tombstone         time.Duration
	Mirror            *Source
	Sources           []Source
	TransformFrom     string
	TransformTo       string
	RepublishFrom     string
	RepublishTo       string
	Partitions        uint32 `since:"0.2"`
}

// StreamInfo is rill_stream_info.
type StreamInfo struct {
	Msgs, Bytes         uint64
	FirstSeq, LastSeq   uint64
	FirstTime, LastTime time.Time
	Subjects            uint64
	Groups              uint32
	Partitions          uint32
	IDsForgotten        uint64 `c:"ids_forgotten"`
}

// StreamDesc is a stream as it is: rill_stream_desc.
type StreamDesc struct {
	Name    string
	Options StreamOptions
	Info    StreamInfo
}

// PurgeOptions are rill_purge_opts.
type PurgeOptions struct {
	Filter    string
	BeforeSeq uint64
	KeepMsgs  uint64
}

// GroupInfo is rill_group_info.
type GroupInfo struct {
	UnackedMsgs     uint64
	LagMsgs         uint64
	LagBytes        uint64
	Lag             time.Duration
	RedeliveredMsgs uint64
	DeliveredSeq    uint64
	SettledSeq      uint64
	Active          time.Time
	PausedUntil     time.Time
	Waiting         uint32
}

// ForwardOptions are rill_forward_opts.
type ForwardOptions struct {
	Name           string
	Filter         string
	MapFrom, MapTo string
	DeadLetters    string
	From           From
	Window         uint32
	FromSeq        uint64
	FromTime       time.Time
	RetryMin       time.Duration
	RetryMax       time.Duration
}

// ForwardInfo is rill_forward_info.
type ForwardInfo struct {
	Msgs, Bytes uint64
	KnownMsgs   uint64
	DeadMsgs    uint64
	Failures    uint64
	Err         Code
	UnderWay    uint32
	Up          bool
	Closed      bool
	LagKnown    bool
	LagMsgs     uint64
	Lag         time.Duration
	Why         string
}

// BucketOptions of key-value and object buckets: rill_bucket_opts.
type BucketOptions struct {
	MustExist bool
	InMemory  bool
	KeyTTL    bool `c:"key_ttl"`
	History   uint32
	TTL       time.Duration
	MaxBytes  uint64
	Replicas  uint64
}

// KVOptions of a change of a key: rill_kv_opts.
type KVOptions struct {
	Expect *uint64
	TTL    time.Duration
}

// ObjInfo is rill_obj_info.
type ObjInfo struct {
	Bytes      uint64
	Time       time.Time
	Seq        uint64
	Chunks     uint32
	Deleted    bool
	SHA256     [32]byte
	Name       string
	LinkBucket string
	LinkName   string
}

// Stats are rill_stats.
type Stats struct {
	InMsgs, InBytes          uint64
	OutMsgs, OutBytes        uint64
	DroppedMsgs              uint64
	Subs                     uint64
	Conns, ConnsTotal        uint64
	SlowConns                uint64
	StoreBytes               uint64
	StoreFileBytes           uint64
	StoreAppendedBytes       uint64
	StoreMovedBytes          uint64
	StoreWrittenBytes        uint64
	StoreDamages             uint64
	Turns, TurnsCut          uint64
	TurnUnits, TurnUnitsMax  uint64
	MemoryBytes              uint64
	MemoryMaxBytes           uint64
	MemoryRefusals           uint64
	StaleConns, StalledConns uint64
	SubsBegun, SubsEnded     uint64
	Matches, MatchesKnown    uint64
	Answers, AnswersTold     uint64
	Receivers, ReceiversMax  uint64
	LoginsFailed             uint64
	LoginsRefused            uint64
}

// Mapping is rill_mapping.
type Mapping struct {
	From, To string
	Percent  uint32
}

// User is who may log in to a broker, and what may be done as this user: rill_user.
type User struct {
	User           string
	Password       string
	Nkey           string
	PublishAllow   []string
	PublishDeny    []string
	SubscribeAllow []string
	SubscribeDeny  []string
	AllowResponses bool
	ResponsesMax   uint32
	Responses      time.Duration `c:"responses_ms"`
	Account        string
}

// Answers says how many answers a service gives to a request: rill_answers.
type Answers int32

// What an exported service answers with.
const (
	AnswersOne     Answers = C.RILL_ANSWERS_ONE
	AnswersStream  Answers = C.RILL_ANSWERS_STREAM
	AnswersChunked Answers = C.RILL_ANSWERS_CHUNKED
)

// Export is what other accounts may have of an account: rill_export.
type Export struct {
	Subject        string
	Service        bool
	Answers        Answers
	Answer         time.Duration `c:"answer_ms"`
	AccountToken   uint32
	Accounts       []string
	LatencySubject string
	LatencyPercent uint32
}

// Import is what an account has of another one: rill_import.
type Import struct {
	Account, Subject, To string
	Service, Share       bool
}

// Account is a space of subjects of a broker: rill_account.
type Account struct {
	Name        string
	MaxConns    uint32
	MaxSubs     uint32
	MaxMsgBytes uint32
	JetStream   bool `c:"jetstream"`
	Mappings    []Mapping
	Exports     []Export
	Imports     []Import

	MaxBytesRequired     bool
	MaxStoreBytes        uint64
	MaxStreamMemory      uint64 `c:"max_stream_memory_bytes"`
	MaxStreamBytes       uint64
	MaxMemoryStreamBytes uint64
	MaxStreams           uint32
	MaxGroups            uint32
	MaxUnacked           uint32
}

// BrokerOptions are rill_broker_opts.
type BrokerOptions struct {
	Name            string
	Version         string
	User, Password  string
	Token           string
	MaxMsgBytes     uint32
	MaxConns        uint32
	MaxSubs         uint32
	MaxControlLine  uint32 `c:"max_control_line_bytes"`
	MaxPendingBytes uint64
	PingInterval    time.Duration
	PingMax         uint32
	AuthTimeout     time.Duration
	WriteDeadline   time.Duration
	Dir             string
	Sync            Sync
	SyncInterval    time.Duration
	Domain          string
	MaxStoreBytes   uint64
	MaxStreamMemory uint64 `c:"max_stream_memory_bytes"`
	MaxDedupe       time.Duration
	MaxUnacked      uint32
	MaxPullBatch    uint32
	MaxSubjects     uint32
	Spin            time.Duration
	JetStream       bool `c:"jetstream"`
	NoHeaders       bool
	Trace           bool
	TraceDataBytes  uint32
	MaxSubTokens    uint32
	Advertise       string
	MemoryBytes     uint64
	Mappings        []Mapping
	Drive           Drive
	Users           []User
	NoAuthUser      string
	KafkaConfig     string
	Accounts        []Account
	SystemAccount   string
	Operators       []string // JWTs or public keys: operator mode of NATS
	AccountJWTs     []string `c:"account_jwts"`
	CalloutIssuer   string   // a service decides who comes in, and signs by this key
	CalloutAccount  string
	CalloutXkey     string
	CalloutUsers    []string
	CalloutAccounts []string
	DefaultSentinel string // the JWT of who shows none
	LoginFailures   uint32 // that an address has; after that it is refused without a look ...
	FailuresPerS    uint32 `c:"login_failures_per_s"` // ... and gets back so many
	ServerTags      []string
	ServerMetadata  []string // "NAME=VALUE"

	// OnLogin decides who comes in, each time on a goroutine of its own: Login.Accept or
	// Login.Refuse, then or later.
	OnLogin func(*Login) `c:"-"`
}

// ListenOptions are rill_listen_opts.
type ListenOptions struct {
	Advertise    string
	TLS          *TLS
	TLSOptional  bool
	NoAutoCreate bool
	Partitions   uint32
	WSSameOrigin bool
	WSCompress   bool
	WSOrigins    string
	WSCookies    string
	HTTPBasePath string
	WSHandshake  time.Duration
	Socket       int32 // a descriptor that listens already; it stays yours
}

// BrokerInfo is rill_broker_info.
type BrokerInfo struct {
	ID, Name, Version string
	TLSLibrary        string
	TLSExpires        time.Time
}

// ConnInfo is a connection of a broker: rill_conn_info.
type ConnInfo struct {
	ID                    uint64
	Start, Active         time.Time
	InMsgs, InBytes       uint64
	OutMsgs, OutBytes     uint64
	PendingBytes          uint64
	Subs                  uint32
	Peer, User            string
	Name, Lang, Version   string
	TLSVersion, TLSCipher string
	WebSocket             bool `c:"websocket"`
	Account               string
}

// ConnSub is a subscription of a connection: rill_conn_sub.
type ConnSub struct {
	Conn                uint64
	Msgs, MaxMsgs       uint64
	Subject, Queue, SID string
}

// ConnSubsOptions are rill_conn_subs_opts.
type ConnSubsOptions struct {
	Conn    uint64
	Matches string
	Skip    uint64
	Max     uint64
}

// Damage is bytes of a store that are not what was written: rill_damage.
type Damage struct {
	Sentence, File    string
	Position          uint64
	Stream            string
	FirstSeq, LastSeq uint64
}

// Care is a report on the way: rill_care.
type Care struct {
	DoneBytes, TotalBytes uint64
	Damages               uint64
	Damage                *Damage
}

// Each pair of structs. That they fit is looked at when the package is loaded, and tests compare
// them field by field with rill.h.
var records = []struct{ g, c reflect.Type }{
	{reflect.TypeFor[TLS](), reflect.TypeFor[C.rill_tls]()},
	{reflect.TypeFor[Options](), reflect.TypeFor[C.rill_opts]()},
	{reflect.TypeFor[Post](), reflect.TypeFor[C.rill_post]()},
	{reflect.TypeFor[BatchOptions](), reflect.TypeFor[C.rill_batch_opts]()},
	{reflect.TypeFor[Receipt](), reflect.TypeFor[C.rill_receipt]()},
	{reflect.TypeFor[SubOptions](), reflect.TypeFor[C.rill_sub_opts]()},
	{reflect.TypeFor[At](), reflect.TypeFor[C.rill_at]()},
	{reflect.TypeFor[SubInfo](), reflect.TypeFor[C.rill_sub_info]()},
	{reflect.TypeFor[Source](), reflect.TypeFor[C.rill_source]()},
	{reflect.TypeFor[StreamOptions](), reflect.TypeFor[C.rill_stream_opts]()},
	{reflect.TypeFor[StreamInfo](), reflect.TypeFor[C.rill_stream_info]()},
	{reflect.TypeFor[PurgeOptions](), reflect.TypeFor[C.rill_purge_opts]()},
	{reflect.TypeFor[GroupInfo](), reflect.TypeFor[C.rill_group_info]()},
	{reflect.TypeFor[ForwardOptions](), reflect.TypeFor[C.rill_forward_opts]()},
	{reflect.TypeFor[ForwardInfo](), reflect.TypeFor[C.rill_forward_info]()},
	{reflect.TypeFor[BucketOptions](), reflect.TypeFor[C.rill_bucket_opts]()},
	{reflect.TypeFor[KVOptions](), reflect.TypeFor[C.rill_kv_opts]()},
	{reflect.TypeFor[ObjInfo](), reflect.TypeFor[C.rill_obj_info]()},
	{reflect.TypeFor[Stats](), reflect.TypeFor[C.rill_stats]()},
	{reflect.TypeFor[Mapping](), reflect.TypeFor[C.rill_mapping]()},
	{reflect.TypeFor[Export](), reflect.TypeFor[C.rill_export]()},
	{reflect.TypeFor[Import](), reflect.TypeFor[C.rill_import]()},
	{reflect.TypeFor[Account](), reflect.TypeFor[C.rill_account]()},
	{reflect.TypeFor[User](), reflect.TypeFor[C.rill_user]()},
	{reflect.TypeFor[BrokerOptions](), reflect.TypeFor[C.rill_broker_opts]()},
	{reflect.TypeFor[ListenOptions](), reflect.TypeFor[C.rill_listen_opts]()},
	{reflect.TypeFor[BrokerInfo](), reflect.TypeFor[C.rill_broker_info]()},
	{reflect.TypeFor[ConnInfo](), reflect.TypeFor[C.rill_conn_info]()},
	{reflect.TypeFor[ConnSub](), reflect.TypeFor[C.rill_conn_sub]()},
	{reflect.TypeFor[ConnSubsOptions](), reflect.TypeFor[C.rill_conn_subs_opts]()},
	{reflect.TypeFor[Damage](), reflect.TypeFor[C.rill_damage]()},
	{reflect.TypeFor[Care](), reflect.TypeFor[C.rill_care]()},
	{reflect.TypeFor[Event](), reflect.TypeFor[C.rill_event]()},
	{reflect.TypeFor[loginTexts](), reflect.TypeFor[C.rill_login]()},
}

func init() {
	for _, pair := range records {
		planOf(pair.g, pair.c)
	}
}
