// Package fieldjson is the JSON form of what sinks store: objects, events and their
// field values. Everyday tools read it, and nothing is lost in it: what is parsed
// has the kind and the value of what was appended.
//
//	Append(nil, map[string]any{"hp": int64(80), "seen": t, "x": 1.5})
//	// {"hp":80,"seen":{"$time":"2024-02-29T23:59:59.000000000Z"},"x":1.5}
//
// What JSON has stays plain JSON. The three kinds of numbers differ in their
// spelling only, so that jq, JavaScript and Python read all of them as numbers; what
// JSON cannot say is an object with one member that begins with $:
//
//	nil                     null
//	bool                    true, false
//	int64                   80           beyond ±2^53: {"$int":"9007199254740993"}
//	uint64                  80e0         beyond 2^53:  {"$uint":"18446744073709551615"}
//	float64                 80.0, 1.5, 1.0e+21
//	                                     not finite: {"$float":"NaN"}, "+Inf", "-Inf"
//	string                  "text"       not UTF-8: {"$string":"base64 of its bytes"}
//	[]byte                  {"$bytes":"base64"}
//	time.Time               {"$time":"2024-02-29T23:59:59.123456789Z"}, always UTC;
//	                        of years beyond 9999: {"$unix":[seconds,nanoseconds]}
//	[]any                   [1,"two",[3]]
//	map[string]any          {"a":1,"b":2}, keys in ascending order; if a key begins
//	                        with $ or is not UTF-8: {"$map":[["$key",1],["b",2]]}
//
// Fields stand in their order, under their names: {"HP":80,"Name":"bob"}, or as
// [["HP",80],[{"$string":"/w=="},1]] if a name is not UTF-8. Text and times outside of
// values, such as a class or when an event happened, are strings and have the $ forms
// of a string and of a far time where they need them.
//
// A text is one line, without spaces and without control characters, so that nothing
// in a player's name ends a record or reaches a terminal. Equal values give equal
// text. Parsing takes this form only, allocates in proportion to the text, and
// returns errors that wrap core.ErrMalformed; lists and maps nest up to MaxDepth.
// Functions and a Parser's methods never keep what they are given.
package fieldjson
