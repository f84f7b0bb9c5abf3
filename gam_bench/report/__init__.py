"""From judged cells to text: tables, pages, figures."""
