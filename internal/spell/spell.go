// Package spell finds the known word that was probably meant, for the hints of
// error messages.
package spell

import "strings"

// Closest returns the known word that is nearest to word, or "" if none is near
// enough: a third of its letters may be other ones, and at least one. Nothing is
// near to what is longer than any word.
func Closest(word string, known []string) string {
	if len(word) > 100 {
		return ""
	}
	best, meant := max(len(word)/3, 1)+1, ""
	for _, k := range known {
		if n := Distance(strings.ToLower(word), strings.ToLower(k)); n < best {
			best, meant = n, k
		}
	}
	return meant
}

// Distance counts the bytes to insert, delete or change to make b of a, where two
// neighbours that are swapped count as one.
func Distance(a, b string) int {
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			other := 1
			if a[i] == b[j] {
				other = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+other)
			if i > 0 && j > 0 && a[i-1] == b[j] && a[i] == b[j-1] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
