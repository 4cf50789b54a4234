package core

// As finds an optional ability T of v, a Transport, Listener or Conn: it returns
// the first of v, v.Unwrap(), v.Unwrap().Unwrap() … that implements T. A wrapper
// must therefore have the method Unwrap, returning the Transport, Listener or Conn
// that it wraps, unless it means to hide what is inside.
//
//	if f, ok := core.As[core.Flusher](conn); ok {
//		f.Flush()
//	}
func As[T any](v any) (T, bool) {
	const deepest = 64 // a wrapper that unwraps to itself must not hang its caller
	for range deepest {
		if t, ok := v.(T); ok {
			return t, true
		}
		switch w := v.(type) {
		case interface{ Unwrap() Conn }:
			v = w.Unwrap()
		case interface{ Unwrap() Listener }:
			v = w.Unwrap()
		case interface{ Unwrap() Transport }:
			v = w.Unwrap()
		default:
			v = nil
		}
		if v == nil {
			break
		}
	}
	var none T
	return none, false
}
