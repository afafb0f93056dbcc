"""The measurements behind the documentation: recipes over the tool, with commands, tables and plots of their own."""
