package fieldjson

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/parley-net/parley/core"
)

// AppendObject appends the members of an object, without braces, as they stand in
// the record that it is part of:
//
//	"id":7,"class":"Knight","owner":2,"alive":true,"fields":{"HP":80}
//
// Its errors are those of Append, and dst is then returned as it was.
func AppendObject(dst []byte, o core.ObjectState) ([]byte, error) {
	out := strconv.AppendUint(append(dst, `"id":`...), o.ID, 10)
	out = appendText(append(out, `,"class":`...), o.Class)
	out = strconv.AppendUint(append(out, `,"owner":`...), uint64(o.Owner), 10)
	out = strconv.AppendBool(append(out, `,"alive":`...), o.Alive)
	out = append(out, `,"fields":`...)
	plain := true
	for i := range o.Fields {
		plain = plain && utf8.ValidString(o.Fields[i].Name)
	}
	begin, between, end := byte('{'), byte(':'), byte('}')
	if !plain {
		begin, between, end = '[', ',', ']'
	}
	out = append(out, begin)
	for i, f := range o.Fields {
		if i > 0 {
			out = append(out, ',')
		}
		if !plain {
			out = append(out, '[')
		}
		out = append(appendText(out, f.Name), between)
		var err error
		if out, err = appendValue(out, f.Value, 0); err != nil {
			return dst, fmt.Errorf("field %q: %w", f.Name, err)
		}
		if !plain {
			out = append(out, ']')
		}
	}
	return append(out, end), nil
}

// AppendEvent appends the members of an event, without braces and without its match,
// as they stand in the record that it is part of:
//
//	"epoch":1,"seq":5,"tick":58,"time":"2024-02-29T23:59:59.000000000Z","kind":"joined","player":2,"data":{"from":"lobby"}
//
// An event without data has no member of that name. Errors are those of Append, and
// dst is then returned as it was.
func AppendEvent(dst []byte, e core.Event) ([]byte, error) {
	out := strconv.AppendUint(append(dst, `"epoch":`...), e.Epoch, 10)
	out = strconv.AppendUint(append(out, `,"seq":`...), e.Seq, 10)
	out = strconv.AppendUint(append(out, `,"tick":`...), e.Tick, 10)
	out = appendTime(append(out, `,"time":`...), e.Time)
	out = appendText(append(out, `,"kind":`...), e.Kind)
	out = strconv.AppendUint(append(out, `,"player":`...), uint64(e.Player), 10)
	if e.Data == nil {
		return out, nil
	}
	out, err := appendMap(append(out, `,"data":`...), e.Data, 0)
	if err != nil {
		return dst, fmt.Errorf("data: %w", err)
	}
	return out, nil
}

// AppendText appends a text that is no value, such as the name of a match.
func AppendText(dst []byte, s string) []byte { return appendText(dst, s) }

// AppendTime appends a time that is no value, such as that of a snapshot.
func AppendTime(dst []byte, t time.Time) []byte { return appendTime(dst, t) }

// minField is the shortest text of a field: a name, a colon and a value.
const minField = 4

// maxNames bounds the names that a Parser remembers.
const maxNames = 4096

// Parser parses records. It remembers names, so that ten thousand objects of a class
// share those of their fields. The zero value is ready; it is for one goroutine.
type Parser struct {
	names  map[string]string
	fields int // of the object before, which the next one probably has too
}

// name returns b as a string, the same one for the same bytes.
func (p *Parser) name(b []byte) string {
	if s, ok := p.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(p.names) < maxNames {
		if p.names == nil {
			p.names = make(map[string]string)
		}
		p.names[s] = s
	}
	return s
}

// Object parses all of src as AppendObject writes it.
func (p *Parser) Object(src []byte) (o core.ObjectState, err error) {
	s := scanner{src: src, parser: p}
	s.lit(`"id":`)
	o.ID = s.uint(64)
	s.lit(`,"class":`)
	o.Class = s.text()
	s.lit(`,"owner":`)
	o.Owner = uint32(s.uint(32))
	s.lit(`,"alive":`)
	o.Alive = s.bool()
	s.lit(`,"fields":`)
	plain := s.next() == '{'
	begin, between, end := "{", ":", "}"
	if !plain {
		begin, between, end = "[", ",", "]"
	}
	for s.more(begin, end, len(o.Fields)) {
		if o.Fields == nil {
			o.Fields = make([]core.Field, 0, min(max(p.fields, 1), len(src)/minField))
		}
		if !plain {
			s.lit("[")
		}
		name := s.text()
		s.lit(between)
		o.Fields = append(o.Fields, core.Field{Name: name, Value: s.value(0)})
		if !plain {
			s.lit("]")
		}
	}
	p.fields = len(o.Fields)
	return o, s.end()
}

// Event parses all of src as AppendEvent writes it. The event has no match.
func (p *Parser) Event(src []byte) (e core.Event, err error) {
	s := scanner{src: src, parser: p}
	s.lit(`"epoch":`)
	e.Epoch = s.uint(64)
	s.lit(`,"seq":`)
	e.Seq = s.uint(64)
	s.lit(`,"tick":`)
	e.Tick = s.uint(64)
	s.lit(`,"time":`)
	e.Time = s.time()
	s.lit(`,"kind":`)
	e.Kind = s.text()
	s.lit(`,"player":`)
	e.Player = uint32(s.uint(32))
	if len(s.rest()) > 0 {
		s.lit(`,"data":`)
		e.Data = s.mapOnly()
	}
	return e, s.end()
}

// ParseText parses the text at the beginning of src, as AppendText writes it, and
// returns what follows it.
func ParseText(src []byte) (text string, rest []byte, err error) {
	s := scanner{src: src, parser: new(Parser)}
	text = s.text()
	return text, s.rest(), s.err
}

// ParseTime parses the time at the beginning of src, as AppendTime writes it, and
// returns what follows it.
func ParseTime(src []byte) (t time.Time, rest []byte, err error) {
	s := scanner{src: src, parser: new(Parser)}
	t = s.time()
	return t, s.rest(), s.err
}
