package mem

import (
	"sync"

	"github.com/parley-net/parley/core"
)

// A packet is one queued message in a buffer that is used again.
type packet struct {
	data       []byte
	delivery   core.Delivery
	class      int8    // index of sizes, or -1 when the buffer is not kept
	prev, next *packet // the queue's order
	newer      *packet // the next Unreliable one
}

// sizes of the buffers that are kept for all connections together. 1,280 bytes
// hold a full Unreliable message.
var sizes = [...]int{64, 256, 1280, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20}

// pools hold idle packets by size. They are shared by all Transports: memory
// follows what is queued now, not the number of connections.
var pools [len(sizes)]sync.Pool

// newPacket returns a packet that holds a copy of msg.
func newPacket(d core.Delivery, msg []byte) *packet {
	p := idle(len(msg))
	p.delivery = d
	p.data = append(p.data[:0], msg...)
	return p
}

func idle(n int) *packet {
	for i, size := range sizes {
		if n > size {
			continue
		}
		if p, ok := pools[i].Get().(*packet); ok {
			return p
		}
		return &packet{data: make([]byte, 0, size), class: int8(i)}
	}
	return &packet{data: make([]byte, 0, n), class: -1}
}

// release gives the buffer back; nobody may touch p or its data afterwards.
func (p *packet) release() {
	if p.class >= 0 {
		pools[p.class].Put(p)
	}
}
