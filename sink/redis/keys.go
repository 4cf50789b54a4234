package redis

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Keys are the names under which a match is kept.
type Keys struct {
	// Latest is a hash with the newest snapshot, by epoch and then tick: its fields are
	// epoch, tick, and snapshot, the JSON. It is also the name of a channel, to which
	// the id of each snapshot is published that becomes the latest, such as 1-60 for
	// tick 60 of epoch 1.
	Latest string
	// Snapshots is a stream of all snapshots that are kept. The id of an entry is its
	// epoch and tick, such as 1-60, and its one field, snapshot, holds the JSON.
	Snapshots string
	// Events is a stream of all events that are kept. The id of an entry is its epoch
	// and number, such as 1-5, and its one field, event, holds the JSON.
	Events string
}

// late is behind the name of a stream for the hash of the entries that came out of
// order.
const late = ":late"

// Keys returns the names under which a match is kept.
func (s *Sink) Keys(match string) Keys {
	tag := s.c.Prefix + ":{" + escape(match) + "}:"
	return Keys{tag + "latest", tag + "snapshots", tag + "events"}
}

// keys returns the keys of a match in the order in which the scripts know them.
func (s *Sink) keys(match string) []string {
	k := s.Keys(match)
	return []string{k.Latest, k.Snapshots, k.Snapshots + late, k.Events, k.Events + late}
}

// part returns a key for the parts of a snapshot on their way, beside the match's own.
func (s *Sink) part(match, name string) string {
	return s.c.Prefix + ":{" + escape(match) + "}:part:" + name
}

// index returns the key of the sorted set of all matches.
func (s *Sink) index() string { return s.c.Prefix + ":matches" }

// escape makes a match's name fit for the braces of a key, which decide in what slot of
// a cluster the key lives: braces, % and control characters become % and two hex
// digits, and no name at all becomes a single %.
func escape(match string) string {
	if match == "" {
		return "%"
	}
	var b strings.Builder
	for i := 0; i < len(match); i++ {
		switch c := match[i]; {
		case c == '{' || c == '}' || c == '%' || c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, "%%%02x", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// id is that of an entry of a stream: the epoch, and the tick or number in it.
type id struct{ epoch, n uint64 }

func (i id) String() string {
	b := strconv.AppendUint(make([]byte, 0, 24), i.epoch, 10)
	return string(strconv.AppendUint(append(b, '-'), i.n, 10))
}

func (i id) before(j id) bool { return i.epoch < j.epoch || i.epoch == j.epoch && i.n < j.n }

// next returns the id behind i; ok is false if i is the last of all.
func (i id) next() (j id, ok bool) {
	switch {
	case i.n < math.MaxUint64:
		return id{i.epoch, i.n + 1}, true
	case i.epoch < math.MaxUint64:
		return id{i.epoch + 1, 0}, true
	}
	return i, false
}

func parseID(text string) (i id, ok bool) {
	epoch, n, found := strings.Cut(text, "-")
	var err1, err2 error
	i.epoch, err1 = strconv.ParseUint(epoch, 10, 64)
	i.n, err2 = strconv.ParseUint(n, 10, 64)
	return i, found && err1 == nil && err2 == nil
}
