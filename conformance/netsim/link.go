package netsim

import (
	"math/rand/v2"
	"time"

	"github.com/parley-net/parley/core"
)

// A Link says how one direction of a connection treats messages. The zero Link
// is perfect. Values out of range count as the nearest value in it. Write
// literals with field names: fields may be added.
//
// Pick the fields by what a test is after. Latency alone keeps the order and makes
// runs easy to read: for code that must work at a distance. Jitter adds what
// Wi-Fi and mobile networks do and, where it exceeds the time between two sends,
// reorders Unreliable messages. Loss is independent from message to message: 0.01
// is a fair line, 0.05 a bad one, 0.25 a stress test. Reorder is for code that
// must cope with old messages after new ones on a line that is good otherwise. A
// line that fails for a time is not a Link but a Blackout.
type Link struct {
	// Latency is the least time a message takes, one way. 0 means none.
	Latency time.Duration
	// Jitter is added to Latency: a time for each message, uniform from 0 up to
	// Jitter. 0 means none.
	Jitter time.Duration
	// Loss is the share, 0 to 1, of Unreliable messages that are lost, each by
	// itself. 0 means none.
	Loss float64
	// Reorder is the share, 0 to 1, of Unreliable messages that are held back by
	// ReorderBy on top of their delay, so that later ones overtake them. 0 means
	// none.
	Reorder float64
	// ReorderBy is how long those are held back. 0 means DefaultReorderBy.
	ReorderBy time.Duration
}

// DefaultReorderBy is what a zero Link.ReorderBy means: longer than the time
// between two updates of a game that sends 60 a second.
const DefaultReorderBy = 25 * time.Millisecond

// clean returns l with all values in range.
func (l Link) clean() Link {
	l.Latency = max(l.Latency, 0)
	l.Jitter = max(l.Jitter, 0)
	if l.ReorderBy <= 0 {
		l.ReorderBy = DefaultReorderBy
	}
	return l // shares need no care: they are only compared with numbers in [0, 1)
}

// fate is what a Link does to one message.
type fate struct {
	lost  bool
	delay time.Duration
}

// What the parts of a fate are derived with. A number drawn for a message is
// mixed with each of them, instead of drawing once for each, so that a part added
// later leaves the other parts of a seed's run as they are.
const (
	partLoss = iota + 1
	partJitter
	partReorder
)

// draw decides on the next message. It draws exactly once.
func (l *Link) draw(rng *rand.PCG, d core.Delivery) fate {
	drawn := rng.Uint64()
	f := fate{delay: l.Latency}
	if l.Jitter > 0 {
		f.delay += time.Duration(unit(drawn, partJitter) * float64(l.Jitter))
	}
	if d == core.Unreliable {
		f.lost = unit(drawn, partLoss) < l.Loss
		if unit(drawn, partReorder) < l.Reorder {
			f.delay += l.ReorderBy
		}
	}
	return f
}

// unit derives a number in [0, 1) from what was drawn.
func unit(drawn uint64, part uint64) float64 {
	return float64(mix(drawn+part*0x9e3779b97f4a7c15)>>11) / (1 << 53)
}

// mix is the finalizer of SplitMix64: near inputs give unrelated outputs.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// generator returns the generator of one direction of one connection.
func generator(seed, connection uint64, up bool) *rand.PCG {
	stream := connection << 1
	if up {
		stream |= 1
	}
	return rand.NewPCG(seed, mix(stream+1))
}
