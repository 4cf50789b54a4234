package netsim

import (
	"sync"
	"time"

	"github.com/parley-net/parley/core"
)

// A packet is a message on its way.
type packet struct {
	data     []byte
	delivery core.Delivery
	goodbye  bool          // not a message but the end of the connection
	held     bool          // Reliable and sent in the dark: due once the link heals
	delay    time.Duration // what its fate says
	due      time.Duration // the instant when it arrives; none while held
	seq      uint64        // breaks ties of due
	next     *packet       // the order of Reliable ones
}

// kept bounds the buffers that wait to be used again, so that one large message
// does not stay in memory.
const kept = 4 << 10

var idle = sync.Pool{New: func() any { return &packet{data: make([]byte, 0, 1280)} }}

func newPacket(d core.Delivery, msg []byte) *packet {
	p := idle.Get().(*packet)
	p.delivery = d
	p.data = append(p.data[:0], msg...)
	return p
}

func (p *packet) release() {
	if cap(p.data) <= kept {
		*p = packet{data: p.data}
		idle.Put(p)
	}
}

// before reports whether p arrives before q.
func (p *packet) before(q *packet) bool {
	if p.due != q.due {
		return p.due < q.due
	}
	return p.seq < q.seq
}
