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
//	frame:  CRC-32C of the rest of this line 4 · length of the records 4 · frame 8 · frame before 8 · count of records 4 · CRC-32C of the records 4
//	        records
//
// The checksums of a frame begin with the segment's salt, which is random and which
// nobody outside knows: bytes that a player sent can never pass for a frame, also
// where a torn write left them without what stood before them. The head has one of its
// own, so that looking for a frame among many bytes costs little, whatever they are.
const (
	magic      = "parley spool v1\n"
	headerSize = 48
	frameHead  = 32
)

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
	binary.LittleEndian.PutUint32(b[28:], crc32.Update(salt, castagnoli, b[frameHead:]))
	binary.LittleEndian.PutUint32(b, crc32.Update(salt, castagnoli, b[4:frameHead]))
}

// frameSize returns how long the frame is whose head b begins with; ok is false if
// that is none.
func frameSize(b []byte, salt uint32) (n int64, ok bool) {
	if len(b) < frameHead || binary.LittleEndian.Uint32(b) != crc32.Update(salt, castagnoli, b[4:frameHead]) {
		return 0, false
	}
	return int64(binary.LittleEndian.Uint32(b[4:])) + frameHead, true
}

// parseFrame returns the frame that b begins with, if it is whole. What it returns
// aliases b.
func parseFrame(b []byte, salt uint32) (f frame, ok bool) {
	n, ok := frameSize(b, salt)
	if !ok || n > int64(len(b)) {
		return f, false
	}
	b = b[:n]
	if binary.LittleEndian.Uint32(b[28:]) != crc32.Update(salt, castagnoli, b[frameHead:]) {
		return f, false
	}
	return frame{number: binary.LittleEndian.Uint64(b[8:]), prev: binary.LittleEndian.Uint64(b[16:]),
		count: int(binary.LittleEndian.Uint32(b[24:])), records: b[frameHead:], end: n}, true
}

// findFrame returns where in b the next frame begins that comes after a number, or -1.
func findFrame(b []byte, salt uint32, after uint64) int {
	for i := 0; i+frameHead <= len(b); i++ {
		if f, ok := parseFrame(b[i:], salt); ok && f.prev >= after && f.number > f.prev {
			return i
		}
	}
	return -1
}
