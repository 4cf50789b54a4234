package redis

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/internal/fieldjson"
)

// The text of a snapshot is one JSON object with each of its objects on a line of its
// own. Strings hold no raw line ends, so that lines are where objects end.
const (
	objectsBegin = `,"objects":[`
	objectsEnd   = "\n]}"
)

// appendBegin appends what stands before the objects.
func appendBegin(dst []byte, s core.Snapshot) []byte {
	dst = fieldjson.AppendText(append(dst, `{"match":`...), s.Match)
	dst = strconv.AppendUint(append(dst, `,"epoch":`...), s.Epoch, 10)
	dst = strconv.AppendUint(append(dst, `,"tick":`...), s.Tick, 10)
	dst = fieldjson.AppendTime(append(dst, `,"time":`...), s.Time)
	return append(dst, objectsBegin...)
}

// appendObject appends an object, of which n stand before it. dst is returned as it was
// if there is an error.
func appendObject(dst []byte, n int, o core.ObjectState) ([]byte, error) {
	begin := ",\n{"
	if n == 0 {
		begin = "\n{"
	}
	out, err := fieldjson.AppendObject(append(dst, begin...), o)
	if err != nil {
		return dst, fmt.Errorf("object %d: %w", o.ID, err)
	}
	return append(out, '}'), nil
}

// parseSnapshot parses the text of a snapshot, of which nothing is kept.
func parseSnapshot(text []byte) (core.Snapshot, error) {
	var s core.Snapshot
	rest, ok := bytes.CutPrefix(text, []byte(`{"match":`))
	if ok {
		var err error
		if s.Match, rest, err = fieldjson.ParseText(rest); err != nil {
			return s, err
		}
		s.Epoch, rest, ok = cutNumber(rest, `,"epoch":`)
	}
	if ok {
		s.Tick, rest, ok = cutNumber(rest, `,"tick":`)
	}
	if ok {
		rest, ok = bytes.CutPrefix(rest, []byte(`,"time":`))
	}
	if ok {
		var err error
		if s.Time, rest, err = fieldjson.ParseTime(rest); err != nil {
			return s, err
		}
		rest, ok = bytes.CutPrefix(rest, []byte(objectsBegin))
	}
	if ok {
		rest, ok = bytes.CutSuffix(rest, []byte(objectsEnd))
	}
	if !ok {
		return s, core.Errorf(core.ErrMalformed, "this is not the text of a snapshot: %.60q", text)
	}
	objects, err := parseObjects(rest)
	if err != nil {
		return s, err
	}
	s.Objects = slices.Values(objects)
	return s, nil
}

// parseObjects parses what stands between the brackets.
func parseObjects(text []byte) (objects []core.ObjectState, err error) {
	if len(text) == 0 {
		return nil, nil
	}
	if text[0] != '\n' {
		return nil, core.Errorf(core.ErrMalformed, "want each object on a line of its own")
	}
	var p fieldjson.Parser
	lines := bytes.Count(text, []byte("\n"))
	objects = make([]core.ObjectState, 0, lines)
	for line := range bytes.SplitSeq(text[1:], []byte("\n")) {
		end := "},"
		if len(objects) == lines-1 {
			end = "}"
		}
		line, begins := bytes.CutPrefix(line, []byte("{"))
		line, ends := bytes.CutSuffix(line, []byte(end))
		if !begins || !ends {
			return nil, core.Errorf(core.ErrMalformed, "object %d of %d stands in no braces", len(objects)+1, lines)
		}
		o, err := p.Object(line)
		if err != nil {
			return nil, fmt.Errorf("object %d of %d: %w", len(objects)+1, lines, err)
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// cutNumber reads a name and the number behind it at the beginning of b.
func cutNumber(b []byte, name string) (n uint64, rest []byte, ok bool) {
	if b, ok = bytes.CutPrefix(b, []byte(name)); !ok {
		return 0, nil, false
	}
	i := 0
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	n, err := strconv.ParseUint(string(b[:i]), 10, 64)
	return n, b[i:], err == nil
}

// appendEvent appends the text of an event. dst is returned as it was if there is an
// error.
func appendEvent(dst []byte, e core.Event) ([]byte, error) {
	out, err := fieldjson.AppendEvent(append(dst, '{'), e)
	if err != nil {
		return dst, err
	}
	return append(out, '}'), nil
}

// parseEvent parses the text of an event.
func parseEvent(p *fieldjson.Parser, text []byte) (core.Event, error) {
	text, begins := bytes.CutPrefix(text, []byte("{"))
	text, ends := bytes.CutSuffix(text, []byte("}"))
	if !begins || !ends {
		return core.Event{}, core.Errorf(core.ErrMalformed, "this is not the text of an event: %.60q", text)
	}
	return p.Event(text)
}

// eventTick returns the tick of an event without parsing the rest.
func eventTick(text []byte) (tick uint64, ok bool) {
	_, text, ok = cutNumber(text, `{"epoch":`)
	if ok {
		_, text, ok = cutNumber(text, `,"seq":`)
	}
	if ok {
		tick, _, ok = cutNumber(text, `,"tick":`)
	}
	return tick, ok
}
