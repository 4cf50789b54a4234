//go:build race

package codec_test

// raced: the race detector is on, and everything takes ten times as long. Tests that
// try many bytes try fewer then; what they look for, they find without it.
const raced = true
