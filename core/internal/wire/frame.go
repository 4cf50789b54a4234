package wire

import (
	"strconv"
	"strings"
	"time"
)

// Version of the session protocol. Peers of different versions refuse each other.
const Version = 1

// Kind is the first byte of every message.
type Kind byte

// Kinds of messages.
const (
	// Reliable, from the client.
	KindHello Kind = 1 + iota // the first message: who am I, and what do I speak
	KindReady                 // my ready flag
	KindInfo                  // what I say about myself

	// Reliable, from the server.
	KindWelcome // the answer to hello: a seat
	KindRefuse  // the other answer: why not
	KindPlayers // who is here
	KindPhase   // lobby or match
	KindValue   // a value too long for a packet

	// Reliable, both ways.
	KindCall
	KindEvent

	// Unreliable.
	KindState    // from the server: packet header, tick, blocks
	KindInput    // from the client: packet header, movement
	KindFastCall // both ways: a call

	kindEnd
)

var kindNames = [kindEnd]string{
	KindHello: "hello", KindReady: "ready", KindInfo: "info", KindWelcome: "welcome", KindRefuse: "refuse",
	KindPlayers: "players", KindPhase: "phase", KindValue: "value", KindCall: "call", KindEvent: "event",
	KindState: "state", KindInput: "input", KindFastCall: "fast call",
}

// String names the kind, such as "hello".
func (k Kind) String() string {
	if k > 0 && k < kindEnd {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// IsReliable reports whether k travels Reliable, with sequence and acknowledgement
// behind the kind.
func (k Kind) IsReliable() bool { return k >= KindHello && k <= KindEvent }

const (
	magic     = "parley"
	MaxName   = 256      // bytes of a name: of a codec, a room, an event
	maxReason = 4 << 10  // bytes
	maxSchema = 64 << 10 // bytes of a schema's text
	maxInfo   = 4096     // bytes; lobby.MaxInfo
	maxNumber = 1 << 20  // of a call
	maxSeats  = 1<<31 - 1
)

// Hello is the body of KindHello. Its first fields never change their form, so
// that peers of different versions can tell each other so.
type Hello struct {
	Version uint64
	Codec   string
	Schema  string // hash
	Room    string // "" takes any
	Info    []byte
}

// Append appends the body.
func (h *Hello) Append(b []byte) []byte {
	b = append(b, magic...)
	b = AppendUvarint(b, h.Version)
	b = AppendString(b, h.Codec)
	b = AppendString(b, h.Schema)
	b = AppendString(b, h.Room)
	return AppendBlob(b, h.Info)
}

// ReadHello reads the body. Of another version it reads the version only.
func ReadHello(r *Reader) Hello {
	var h Hello
	if string(r.Bytes(uint64(len(magic)))) != magic {
		r.Fail("it is not a parley client")
		return h
	}
	h.Version = r.Uvarint()
	if h.Version != Version {
		return h
	}
	h.Codec = r.String(MaxName)
	h.Schema = r.String(MaxName)
	h.Room = r.String(MaxName)
	h.Info = r.Blob()
	if len(h.Info) > maxInfo {
		r.Fail("a player info that is too long")
	}
	_ = r.End()
	return h
}

// Welcome is the body of KindWelcome.
type Welcome struct {
	Player       uint32
	Room         string
	Tick, Update time.Duration // between ticks, between updates
	Started      bool
	Seats        int
}

// Append appends the body.
func (w *Welcome) Append(b []byte) []byte {
	b = AppendUvarint(b, uint64(w.Player))
	b = AppendString(b, w.Room)
	b = AppendUvarint(b, uint64(w.Tick))
	b = AppendUvarint(b, uint64(w.Update))
	b = AppendBool(b, w.Started)
	return AppendUvarint(b, uint64(w.Seats))
}

// ReadWelcome reads the body.
func ReadWelcome(r *Reader) Welcome {
	w := Welcome{
		Player:  uint32(r.Uint(1<<32 - 1)),
		Room:    r.String(MaxName),
		Tick:    time.Duration(r.Uint(uint64(time.Hour))),
		Update:  time.Duration(r.Uint(uint64(time.Hour))),
		Started: r.Bool(),
		Seats:   int(r.Uint(maxSeats)),
	}
	if w.Player == 0 || w.Tick == 0 || w.Update == 0 {
		r.Fail("a welcome without a seat")
	}
	_ = r.End()
	return w
}

// Refuse is the body of KindRefuse.
type Refuse struct {
	Code   uint16
	Reason string
	Schema string // the server's, where the two differ
}

// Append appends the body. A reason that is too long is cut; a schema that is, which
// would only mislead when cut, is left out.
func (f *Refuse) Append(b []byte) []byte {
	b = AppendUvarint(b, uint64(f.Code))
	reason := f.Reason
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "")
	}
	b = AppendString(b, reason)
	if len(f.Schema) > maxSchema {
		return AppendString(b, "")
	}
	return AppendString(b, f.Schema)
}

// ReadRefuse reads the body.
func ReadRefuse(r *Reader) Refuse {
	f := Refuse{Code: uint16(r.Uint(1<<16 - 1)), Reason: r.String(maxReason), Schema: r.String(maxSchema)}
	_ = r.End()
	return f
}

// Player is an entry of KindPlayers.
type Player struct {
	ID     uint32
	Status uint8
	Ready  bool
	Info   []byte
}

// AppendPlayer appends one entry.
func AppendPlayer(b []byte, p Player) []byte {
	b = AppendUvarint(b, uint64(p.ID))
	b = append(b, p.Status)
	b = AppendBool(b, p.Ready)
	return AppendBlob(b, p.Info)
}

// ReadPlayer reads one entry; its Info aliases the message.
func ReadPlayer(r *Reader) Player {
	p := Player{ID: uint32(r.Uint(1<<32 - 1)), Status: r.Byte(), Ready: r.Bool(), Info: r.Blob()}
	if p.ID == 0 || p.Status > 2 || len(p.Info) > maxInfo {
		r.Fail("a player that cannot be")
	}
	return p
}

// Call is the body of KindCall and KindFastCall.
type Call struct {
	Number int
	Object uint32
	Tick   uint64 // of the server; 0 from a client
	Args   []byte
}

// Append appends the body.
func (c *Call) Append(b []byte) []byte {
	b = AppendUvarint(b, uint64(c.Number))
	b = AppendUvarint(b, uint64(c.Object))
	b = AppendUvarint(b, c.Tick)
	return append(b, c.Args...)
}

// ReadCall reads the body; Args alias the message.
func ReadCall(r *Reader) Call {
	return Call{Number: int(r.Uint(maxNumber)), Object: uint32(r.Uint(1<<32 - 1)), Tick: r.Uvarint(), Args: r.Rest()}
}

// Event is the body of KindEvent.
type Event struct {
	Tick  uint64 // of the server; 0 from a client
	Name  string
	Value []byte
}

// Append appends the body.
func (e *Event) Append(b []byte) []byte {
	b = AppendUvarint(b, e.Tick)
	b = AppendString(b, e.Name)
	return append(b, e.Value...)
}

// ReadEvent reads the body; Value aliases the message.
func ReadEvent(r *Reader) Event {
	return Event{Tick: r.Uvarint(), Name: r.String(MaxName), Value: r.Rest()}
}

// AppendBool appends a byte, 0 or 1.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// Bool takes a byte, which must be 0 or 1.
func (r *Reader) Bool() bool {
	switch r.Byte() {
	case 0:
		return false
	case 1:
		return true
	}
	r.Fail("a bool that is neither")
	return false
}
