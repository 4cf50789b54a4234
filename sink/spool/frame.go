package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A segment is a file: a header, and frames one behind the other. A frame holds the
// records of one fsync, so a later frame is proof that all earlier ones were on disk
// once. All numbers are little-endian.
//
//	header: magic 16 · segment 8 · last frame before 8 · size of the segment before 8 · salt 4 · CRC-32C 4
//	frame:  CRC-32C 4 · length of the records 4 · frame 8 · frame before 8 · count of records 4 · records
//
// The checksum of a frame begins with the segment's salt, which is random and which
// nobody outside knows: bytes that a player sent can never pass for a frame, also
// where a torn write left them without what stood before them.
const (
	magic      = "parley spool v1\n"
	headerSize = 48
	frameHead  = 28
)

// maxLeap is how far the number of a frame may be from that of the frame before.
const maxLeap = 1 << 48

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is what a segment begins with.
type header struct {
	segment  uint64
	after    uint64 // number of the last frame before the segment
	prevSize int64  // of the segment before, 0 if there is none
	salt     uint32
}

var (
	errHeader  = errors.New("the header is not valid")
	errVersion = errors.New("another version of parley wrote it: ship it with that one")
	errBroken  = errors.New("no valid frame")
)

func (h header) append(dst []byte) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint64(append(dst, magic...), h.segment)
	dst = binary.LittleEndian.AppendUint64(dst, h.after)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.prevSize))
	dst = binary.LittleEndian.AppendUint32(dst, h.salt)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

func parseHeader(b []byte) (h header, err error) {
	const sum = headerSize - 4
	if len(b) < headerSize {
		return h, errHeader
	}
	b = b[:headerSize]
	if binary.LittleEndian.Uint32(b[sum:]) != crc32.Checksum(b[:sum], castagnoli) {
		return h, errHeader
	}
	if string(b[:len(magic)]) != magic {
		return h, errVersion
	}
	b = b[len(magic):]
	return header{
		segment: binary.LittleEndian.Uint64(b), after: binary.LittleEndian.Uint64(b[8:]),
		prevSize: int64(binary.LittleEndian.Uint64(b[16:])), salt: binary.LittleEndian.Uint32(b[24:]),
	}, nil
}

// frame is one that was read.
type frame struct {
	number, prev uint64
	count        int
	records      []byte
	off, end     int64 // in the segment
}

// endFrame fills in the head of a frame: the first frameHead bytes of b, of which the
// rest are its records.
func endFrame(b []byte, salt uint32, number, prev uint64, count int) {
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-frameHead))
	binary.LittleEndian.PutUint64(b[8:], number)
	binary.LittleEndian.PutUint64(b[16:], prev)
	binary.LittleEndian.PutUint32(b[24:], uint32(count))
	binary.LittleEndian.PutUint32(b, crc32.Update(salt, castagnoli, b[4:]))
}

// frameSize returns how long the frame is that b begins with, from its head alone;
// ok is false if it cannot be one.
func frameSize(b []byte) (n int64, ok bool) {
	if len(b) < frameHead {
		return 0, false
	}
	n = int64(binary.LittleEndian.Uint32(b[4:])) + frameHead
	number, prev := binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	return n, number > prev && number-prev <= maxLeap
}

// parseFrame returns the frame that b begins with, if it is whole. What it returns
// aliases b.
func parseFrame(b []byte, salt uint32) (f frame, ok bool) {
	n, ok := frameSize(b)
	if !ok || n > int64(len(b)) {
		return f, false
	}
	b = b[:n]
	if binary.LittleEndian.Uint32(b) != crc32.Update(salt, castagnoli, b[4:]) {
		return f, false
	}
	f = frame{number: binary.LittleEndian.Uint64(b[8:]), prev: binary.LittleEndian.Uint64(b[16:]),
		count: int(binary.LittleEndian.Uint32(b[24:])), records: b[frameHead:], end: n}
	return f, true
}

// findFrame returns where in b the next frame begins whose number is above after, or
// -1.
func findFrame(b []byte, salt uint32, after uint64) int {
	for i := 0; i+frameHead <= len(b); i++ {
		// Few places look like the head of a frame, so few checksums are computed.
		n, ok := frameSize(b[i:])
		if !ok || n > int64(len(b)-i) {
			continue
		}
		if prev := binary.LittleEndian.Uint64(b[i+16:]); prev < after || prev-after > maxLeap {
			continue
		}
		if _, ok := parseFrame(b[i:], salt); ok {
			return i
		}
	}
	return -1
}
