"""Classification of texts and text pairs: XNLI, PAWS-X, and labelled files."""
