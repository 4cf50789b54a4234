package arq

import (
	"time"

	"github.com/parley-net/parley/core"
)

// Types of frames. doc.go has their layout.
const (
	framePadding  = 0
	framePing     = 1
	frameAck      = 2
	frameData     = 3
	frameDatagram = 4
)

// maxRanges is how many runs of packet numbers an ACK frame may hold.
const maxRanges = 32

// An ackFrame is what a peer says about the packets that it has received.
type ackFrame struct {
	largest uint64        // the highest number
	latest  uint64        // the one that came last of those that asked for an answer
	delay   time.Duration // since that one came
	limit   uint64        // the end of what the peer takes of our stream
	ranges  [maxRanges]span
	n       int // ranges, highest first
}

// A frame is one frame of a payload. An ACK is in the ackFrame that was given to next.
type frame struct {
	kind byte
	off  uint64 // DATA: its place in the stream
	data []byte // DATA, DATAGRAM: part of the payload
}

// next takes the frame at the front of p, which is not empty. A run of PADDING is
// taken as one.
func (f *frame) next(p []byte, ack *ackFrame) (rest []byte, err error) {
	r := reader{p: p[1:]}
	f.kind = p[0]
	switch f.kind {
	case framePadding:
		for len(r.p) > 0 && r.p[0] == framePadding {
			r.p = r.p[1:]
		}
	case framePing:
	case frameAck:
		if !ack.read(&r) {
			return nil, core.Errorf(core.ErrMalformed, "arq: the peer sent an ACK frame that is cut off, has more than %d ranges, or goes below zero", maxRanges)
		}
	case frameData:
		f.off = r.varint()
		f.data = r.bytes(r.varint())
		if r.short || len(f.data) == 0 || f.off > maxVarint-uint64(len(f.data)) {
			return nil, core.Errorf(core.ErrMalformed, "arq: the peer sent a DATA frame that is cut off, empty, or beyond the end of all streams")
		}
	case frameDatagram:
		f.data = r.bytes(r.varint())
		if r.short {
			return nil, core.Errorf(core.ErrMalformed, "arq: the peer sent a DATAGRAM frame that is cut off")
		}
	default:
		return nil, core.Errorf(core.ErrMalformed, "arq: the peer sent a frame of the unknown type %d", f.kind)
	}
	return r.p, nil
}

// read reports false if the frame is malformed.
func (a *ackFrame) read(r *reader) bool {
	a.largest = r.varint()
	behind := r.varint()
	a.delay = time.Duration(min(r.varint(), uint64(time.Hour/time.Microsecond))) * time.Microsecond
	a.limit = r.varint()
	more, length := r.varint(), r.varint()
	if r.short || more >= maxRanges || behind > a.largest || length > a.largest {
		return false
	}
	a.latest = a.largest - behind
	a.ranges[0] = span{a.largest - length, a.largest + 1}
	for i := range int(more) {
		below := a.ranges[i].from // the next range ends at least one number below it
		gap, length := r.varint(), r.varint()
		if r.short || below < 2 || gap > below-2 || length > below-2-gap {
			return false
		}
		top := below - 2 - gap
		a.ranges[i+1] = span{top - length, top + 1}
	}
	a.n = int(more) + 1
	return true
}

// appendAck appends an ACK frame with as many of the ranges as have room, the highest
// first. If not even one has, it returns b as it was.
func appendAck(b []byte, room int, seen spans, latest uint64, delay time.Duration, limit uint64) []byte {
	const longest = 1 + 8 + 8 + 4 + 8 + 1 + 8
	if len(seen) == 0 || room < longest {
		return b
	}
	end := len(b) + room
	top := seen[len(seen)-1]
	b = append(b, frameAck)
	b = appendVarint(b, top.to-1)
	b = appendVarint(b, top.to-1-latest)
	b = appendVarint(b, uint64(min(delay, time.Hour)/time.Microsecond))
	b = appendVarint(b, limit)
	count := len(b)
	b = append(b, 0)
	b = appendVarint(b, top.to-top.from-1)
	for i := len(seen) - 2; i >= 0; i-- {
		gap, length := seen[i+1].from-seen[i].to-1, seen[i].to-seen[i].from-1
		if len(b)+varintLen(gap)+varintLen(length) > end {
			break
		}
		b = appendVarint(b, gap)
		b = appendVarint(b, length)
		b[count]++
	}
	return b
}

func appendPing(b []byte) []byte { return append(b, framePing) }

// dataHeader is how long the header of a DATA frame at off is at most.
func dataHeader(off uint64) int { return 1 + varintLen(off) + 2 }

func appendDataHeader(b []byte, off uint64, n int) []byte {
	return appendVarint(appendVarint(append(b, frameData), off), uint64(n))
}

// datagramHeader is how long the header of a DATAGRAM frame with n bytes is.
func datagramHeader(n int) int { return 1 + varintLen(uint64(n)) }

func appendDatagramHeader(b []byte, n int) []byte {
	return appendVarint(append(b, frameDatagram), uint64(n))
}

// A reader takes fields from the front of p. Once p was too short it gives zeros.
type reader struct {
	p     []byte
	short bool
}

func (r *reader) varint() uint64 {
	v, n := readVarint(r.p)
	if n == 0 {
		r.p, r.short = nil, true
	}
	r.p = r.p[n:]
	return v
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.p)) {
		r.p, r.short = nil, true
		return nil
	}
	b := r.p[:n:n]
	r.p = r.p[n:]
	return b
}
