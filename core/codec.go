package core

// Codec turns values into bytes and back: arguments of calls, events, player
// info, fields of objects as they spawn, variables that are not numbers. It is safe
// for concurrent use.
//
// A codec must take at least booleans, all integer and float types, strings,
// []byte, time.Time and time.Duration, named forms of these, structs of such
// fields (exported ones travel), slices, arrays, maps keyed by strings or integers,
// pointers (nil included), and map[string]any and []any of such values.
type Codec interface {
	// Name identifies the format and its version, such as "msgp/1". Peers compare
	// names before they speak, so two codecs with the same name must understand
	// each other's bytes.
	Name() string

	// Append appends the encoding of v to dst and returns the longer slice, as
	// append does. Equal values must give equal bytes, whatever the order of a
	// map's iteration. A value that the codec cannot carry must be refused with an
	// error that wraps ErrUnsupported, and dst is then returned unchanged. The
	// result must not alias v.
	Append(dst []byte, v any) ([]byte, error)

	// Decode reads one value from the front of src into v, a non-nil pointer,
	// and returns the bytes behind it. What v held before must not show through.
	// The result must not alias src.
	//
	// src comes from strangers. Whatever it holds, Decode must return: a value, or
	// an error that wraps ErrMalformed. It must not panic, must allocate at most
	// 64 KiB plus 64 bytes for each byte of src (an adapter that needs more
	// declares it), and must bound nesting.
	Decode(src []byte, v any) (rest []byte, err error)
}
