"""Find, load and register plugins, and attribute what fails inside them."""
