"""Everyone is asked everything: items, subjects, answers, scores, controls, tables. Knows no study's questions."""
