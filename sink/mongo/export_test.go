package mongo

import (
	"github.com/parley-net/parley/core"
)

// Bounds, for tests that press them.
const (
	MaxPart     = maxPart
	MaxDocument = maxDocument
	MaxParts    = maxParts
	MaxBatch    = maxBatch
	MaxDepth    = maxDepth
	MaxKey      = maxKey
	MaxPlaces   = maxPlaces
)

// What tests look at by itself.
var (
	KeyOf              = keyOf
	StartOf            = startOf
	DefaultCollections = defaultCollections
	CheckCollection    = checkCollection
)

// EscapeField escapes the name of a field, and UnescapeField undoes it.
func EscapeField(s string) string           { return escape(s, oddField) }
func UnescapeField(s string) (string, bool) { return unescape(s) }

// AppendValue appends a document whose field v is a value.
func AppendValue(dst []byte, v any) ([]byte, error) {
	dst, at := begin(dst)
	dst, err := payload(element(dst, kindNull, "v"), at+4, v, 0)
	if err != nil {
		return nil, err
	}
	return end(dst, at), nil
}

// ParseValue undoes AppendValue.
func ParseValue(doc []byte) (v any, err error) {
	return v, members(doc, func(_ []byte, x value) (err error) {
		v, err = x.any(0)
		return err
	})
}

// AppendEvent and AppendObject make whole documents.
func AppendEvent(dst []byte, id string, e core.Event) ([]byte, error) {
	dst, at := begin(dst)
	dst, err := appendEvent(appendString(dst, "_id", id), e)
	return end(dst, at), err
}

func AppendObject(dst []byte, o core.ObjectState) ([]byte, error) {
	dst, err := appendObject(append(dst, 0), 0, o)
	return dst, err
}

// ParseAll reads a document as all that it could be.
func ParseAll(doc []byte, match, key string) (core.Event, error) {
	n := names{}
	r := n.record(doc)
	r.snapshot(match, key)
	r = n.record(doc)
	e := r.event(match, key)
	_, _ = n.object(value{kindDoc, doc})
	return e, r.err
}

// Known returns how many places a sink remembers.
func (s *Sink) Known() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.places)
}

// Remember makes a sink remember a place.
func (s *Sink) Remember(match string) { s.remember(match, place{}) }

// WithPart returns c with documents and batches that are cut from a size on.
func (c Config) WithPart(size int) Config {
	c.part = size
	return c
}
