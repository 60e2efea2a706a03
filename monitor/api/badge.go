package api

import (
	"bytes"
	"html/template"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/solotick/solotick/elect"
)

// badge serves one record as a small picture. What it says in colour it says in a
// word as well.
func (a *API) badge(w http.ResponseWriter, r *http.Request) {
	name, is := strings.CutSuffix(r.PathValue("file"), ".svg")
	if !is {
		notFound(w, r)
		return
	}
	b, status := badge{Label: "solotick", Word: "not watched", Color: "#5f6670"}, http.StatusNotFound
	if item, ok := a.find(name); ok {
		b.Label, status = item.Job, http.StatusOK
		if b.Label == "" {
			b.Label = item.Name
		}
		b.Word, b.Color = conditionWord(item.State), badgeColors[item.State.Level()]
	}
	var text bytes.Buffer
	if err := badgeSVG.Execute(&text, b.sized()); err != nil { // never of what is here
		http.Error(w, "this badge cannot be drawn", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Cache-Control", "max-age=15")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // a badge is for the pages of others
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes())
}

// badgeColors have a contrast of at least 4.5 to white letters.
var badgeColors = [...]string{elect.LevelFine: "#2b7a3d", elect.LevelDoubtful: "#8a6100", elect.LevelBad: "#b3261e", elect.LevelUnknown: "#5f6670"}

// A badge is two words side by side.
type badge struct {
	Label, Word, Color string
	Left, Right, Width int // of the boxes, in pixels
	LeftText, RightText,
	LeftMiddle, RightMiddle int
}

// mostLabel is how many letters of a name a badge shows.
const mostLabel = 40

// sized works out how wide things are. The letters are made to fit, whatever font
// there is.
func (b badge) sized() badge {
	b.Label = plain(b.Label)
	if runes := []rune(b.Label); len(runes) > mostLabel {
		b.Label = string(runes[:mostLabel-1]) + "…"
	}
	width := func(text string) int { return utf8.RuneCountInString(text)*13/2 + 1 }
	b.LeftText, b.RightText = width(b.Label), width(b.Word)
	b.Left, b.Right = b.LeftText+12, b.RightText+12
	b.Width, b.LeftMiddle, b.RightMiddle = b.Left+b.Right, b.Left/2, b.Left+b.Right/2
	return b
}

var badgeSVG = template.Must(template.New("badge").Parse(`<svg xmlns="http://www.w3.org/2000/svg" width="{{.Width}}" height="20" role="img" aria-label="{{.Label}}: {{.Word}}">` +
	`<title>{{.Label}}: {{.Word}}</title>` +
	`<rect width="{{.Left}}" height="20" fill="#3b3f45"/><rect x="{{.Left}}" width="{{.Right}}" height="20" fill="{{.Color}}"/>` +
	`<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">` +
	`<text x="{{.LeftMiddle}}" y="14" textLength="{{.LeftText}}" lengthAdjust="spacingAndGlyphs">{{.Label}}</text>` +
	`<text x="{{.RightMiddle}}" y="14" textLength="{{.RightText}}" lengthAdjust="spacingAndGlyphs">{{.Word}}</text></g></svg>
`))
