package netsim

import (
	"math/rand/v2"
	"time"

	"github.com/parley-net/parley/core"
)

// fate is what a Link does to one message.
type fate struct {
	lost  bool
	delay time.Duration // without what Rate adds
}

// What the parts of a fate are derived with. A number drawn for a message is
// mixed with each of them, instead of drawing once for each, so that a part added
// later leaves the other parts of a seed's run as they are.
const (
	partLoss = iota + 1
	partJitter
	partReorder
	partBurst
	partBurstLoss
	partDuplicate
	partCopies
	partCopyDelay
	partCorrupt
	partCorruptAs
	partCorruptAt
	partCorruptBy
)

// draw decides on a message by the number drawn for it; bad is the state of the
// link's bursts.
func (l *Link) draw(drawn uint64, bad *bool, d core.Delivery) fate {
	f := fate{delay: l.Latency + l.jitter(drawn)}
	*bad = l.Burst.Enter > 0 && l.Burst.step(*bad, drawn)
	if d == core.Unreliable {
		if *bad {
			f.lost = unit(drawn, partBurstLoss) < l.Burst.Loss
		} else {
			f.lost = unit(drawn, partLoss) < l.Loss
		}
		if unit(drawn, partReorder) < l.Reorder {
			f.delay += l.ReorderBy
		}
	}
	return f
}

func (l *Link) jitter(drawn uint64) time.Duration {
	return time.Duration(unit(drawn, partJitter) * float64(l.Jitter))
}

// golden is 2^64 divided by the golden ratio: the step of SplitMix64.
const golden = 0x9e3779b97f4a7c15

// unit derives a number in [0, 1) from what was drawn.
func unit(drawn uint64, part uint64) float64 {
	return float64(derive(drawn, part)>>11) / (1 << 53)
}

// derive derives another number from what was drawn.
func derive(drawn uint64, part uint64) uint64 { return mix(drawn + part*golden) }

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
