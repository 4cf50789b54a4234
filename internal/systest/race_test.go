//go:build race

package systest

func init() { usualSeeds = 1 } // the race detector makes everything ten times slower
