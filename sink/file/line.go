package file

import (
	"bytes"
	"encoding/hex"
	"hash/crc32"
	"strconv"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/internal/fieldjson"
)

const (
	// format is the version of what is written. It is in the first line of each file.
	format = 1
	// maxLine bounds a line: what is longer is not written, and not held in memory.
	maxLine = 16 << 20
)

// A line ends in its checksum: the CRC-32C, in hex, of all that stands before the comma.
const (
	sumBegin = `,"crc":"`
	sumEnd   = `"}`
	sumSize  = len(sumBegin) + 8 + len(sumEnd)
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal ends the line that begins at from in dst.
func seal(dst []byte, from int) []byte {
	sum := crc32.Checksum(dst[from:], castagnoli)
	dst = append(dst, sumBegin...)
	dst = hex.AppendEncode(dst, []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
	return append(append(dst, sumEnd...), '\n')
}

// unseal returns a line, which has no \n, without its checksum. ok is false if that is
// wrong.
func unseal(line []byte) (body []byte, ok bool) {
	at := len(line) - sumSize
	if at < 0 || string(line[at:at+len(sumBegin)]) != sumBegin || string(line[len(line)-len(sumEnd):]) != sumEnd {
		return nil, false
	}
	const digits = "0123456789abcdef"
	var sum uint32
	for _, c := range line[at+len(sumBegin) : len(line)-len(sumEnd)] {
		d := bytes.IndexByte([]byte(digits), c)
		if d < 0 {
			return nil, false
		}
		sum = sum<<4 | uint32(d)
	}
	return line[:at], crc32.Checksum(line[:at], castagnoli) == sum
}

// firstBegin is how the first line of every file begins.
const firstBegin = `{"type":"match","match":`

// form is how the lines of one match begin.
type form struct{ match, event, snapshot, object, end string }

func formOf(match string) form {
	name := string(fieldjson.AppendText(nil, match))
	begin := func(kind string) string { return `{"type":"` + kind + `","match":` + name + "," }
	return form{begin("match"), begin("event"), begin("snapshot"), begin("object"), begin("end")}
}

// appendFirst appends the first line of a file.
func (f *form) appendFirst(dst []byte) []byte {
	from := len(dst)
	dst = append(append(dst, f.match...), `"format":`...)
	return seal(strconv.AppendUint(dst, format, 10), from)
}

func (f *form) appendEvent(dst []byte, e core.Event) ([]byte, error) {
	from := len(dst)
	dst, err := fieldjson.AppendEvent(append(dst, f.event...), e)
	if err != nil {
		return dst[:from], err
	}
	return checkSize(seal(dst, from), from)
}

// stamp returns what the lines of a snapshot have in common behind the match.
func stamp(s core.Snapshot) []byte {
	dst := strconv.AppendUint([]byte(`"epoch":`), s.Epoch, 10)
	dst = strconv.AppendUint(append(dst, `,"tick":`...), s.Tick, 10)
	return fieldjson.AppendTime(append(dst, `,"time":`...), s.Time)
}

func (f *form) appendSnapshot(dst, stamp []byte) []byte {
	from := len(dst)
	return seal(append(append(dst, f.snapshot...), stamp...), from)
}

func (f *form) appendObject(dst, stamp []byte, o core.ObjectState) ([]byte, error) {
	from := len(dst)
	dst = append(append(append(dst, f.object...), stamp...), ',')
	dst, err := fieldjson.AppendObject(dst, o)
	if err != nil {
		return dst[:from], err
	}
	return checkSize(seal(dst, from), from)
}

func (f *form) appendEnd(dst, stamp []byte, objects uint64) []byte {
	from := len(dst)
	dst = append(append(append(dst, f.end...), stamp...), `,"objects":`...)
	return seal(strconv.AppendUint(dst, objects, 10), from)
}

func checkSize(dst []byte, from int) ([]byte, error) {
	if size := len(dst) - from; size > maxLine {
		return dst[:from], core.Errorf(core.ErrTooLarge, "it is a line of %d bytes, and a line has at most %d", size, maxLine)
	}
	return dst, nil
}

// cutNumber reads a name and a number behind it at the beginning of b.
func cutNumber(b []byte, name string) (n uint64, rest []byte, ok bool) {
	if b, ok = cut(b, name); !ok {
		return 0, nil, false
	}
	i := 0
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	n, err := strconv.ParseUint(string(b[:i]), 10, 64)
	return n, b[i:], err == nil
}

// cut is bytes.CutPrefix for a prefix that is a string.
func cut(b []byte, prefix string) (rest []byte, ok bool) {
	if len(b) < len(prefix) || string(b[:len(prefix)]) != prefix {
		return nil, false
	}
	return b[len(prefix):], true
}

// matchOf returns the match that the first line of a file names, and its format.
func matchOf(body []byte) (match string, version uint64, ok bool) {
	rest, ok := cut(body, firstBegin)
	if !ok {
		return "", 0, false
	}
	match, rest, err := fieldjson.ParseText(rest)
	if err != nil {
		return "", 0, false
	}
	version, _, ok = cutNumber(rest, `,"format":`)
	return match, version, ok
}
